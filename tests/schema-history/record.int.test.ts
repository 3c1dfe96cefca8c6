import { expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RepositoryCopy } from "../harness/worked-example.ts";

test("record-schema records a changed version anew only when asked to, and never one that is released", async () => {
  using copy = RepositoryCopy.create();
  const record = (...args: string[]) =>
    copy.runUnchecked("record-schema", "--config", "tests/project/lockstep.config.ts", ...args);
  const check = () => copy.runUnchecked("test:p12");
  const file = join(copy.root, "package.json");
  const manifest = JSON.parse(readFileSync(file, "utf8"));
  manifest.scripts["test:p12"] = "bun test tests/promises/p12-old-events-stay-readable/recorded-schemas.unit.test.ts";
  writeFileSync(file, JSON.stringify(manifest));
  const change = (from: string, to: string) => {
    const declaration = join(copy.root, "tests/project/product.ts");
    writeFileSync(declaration, readFileSync(declaration, "utf8").replace(from, to));
  };

  expect(await record()).toMatchObject({ code: 0, stdout: "product version 1 is recorded already\n" });
  change("max(200)", "max(201)");
  const failed = await check();
  expect(failed.code).toBe(1);
  expect(failed.stderr).toContain("members.name.maxLength was 200 and is 201");
  expect(failed.stderr).toContain("run `bun run record-schema --again product`");

  expect(await record()).toMatchObject({ code: 1 });
  expect(await record("--again")).toMatchObject({ code: 0 });
  expect(await check()).toMatchObject({ code: 0 });

  expect(await record("--release")).toMatchObject({ code: 0 });
  change("max(201)", "max(202)");
  const refused = await record("--again", "product");
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining("is released")]);
  expect((await check()).stderr).toContain("set schemaVersion to 2, add an upcaster for 1");

  const unknown = await record("invoice");
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("there is no entity invoice")]);
});
