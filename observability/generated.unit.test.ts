import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { coreServices } from "../contracts/services.ts";
import { generatedFiles } from "./generate.ts";

const read = (path: string): string => readFileSync(join(import.meta.dir, path), "utf8");

/** The replicas that the files were generated for: those of the project that compose.yaml runs, which may be any. */
function replicaNames(): string[] {
  const { scrape_configs } = Bun.YAML.parse(read("prometheus/prometheus.yml")) as {
    scrape_configs: { dns_sd_configs: { names: string[] }[] }[];
  };
  const core: readonly string[] = coreServices;
  return scrape_configs[0]!.dns_sd_configs[0]!.names.filter((name) => !core.includes(name));
}

for (const [path, content] of Object.entries(generatedFiles({ replicaNames: replicaNames() })))
  test(`observability/${path} matches its source; if not, run bun run observability`, () => {
    expect(read(path)).toBe(content);
  });
