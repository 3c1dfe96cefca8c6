import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { project } from "../tests/project/index.ts";
import { generatedFiles } from "./generate.ts";

for (const [path, content] of Object.entries(generatedFiles(project)))
  test(`observability/${path} matches its source; if not, run bun run observability`, () => {
    expect(readFileSync(join(import.meta.dir, path), "utf8")).toBe(content);
  });
