import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../tests/harness/servers.ts";
import { createDataFolder, removeData, resolveShape, writeShape } from "./data-folder.ts";

const options = (data: string, brokers?: 1 | 3, partitions?: number) => ({ data, brokers, partitions });

test("data keeps its number of brokers and partitions, and a flag with another number is rejected", () => {
  const data = temporaryFolder("shape");
  expect(resolveShape(options(data))).toEqual({ brokers: 1 });
  writeShape(data, resolveShape(options(data, 3, 6)));
  expect(resolveShape(options(data))).toEqual({ brokers: 3, partitions: 6 });
  expect(resolveShape(options(data, 3, 6))).toEqual({ brokers: 3, partitions: 6 });
  expect(() => resolveShape(options(data, 1))).toThrow(
    "was created with --brokers 3: omit the flag, remove the data with --fresh",
  );
  expect(() => resolveShape(options(data, 3, 7))).toThrow("was created with --partitions 6");
});

test("removing the data leaves other files of the folder alone", () => {
  const data = temporaryFolder("fresh");
  createDataFolder(data);
  for (const name of ["gateway-db", "broker-1", "redis", "stream-1", "my-own-db", "thesis"])
    mkdirSync(join(data, name));
  writeFileSync(join(data, "gateway-db/password"), "x");
  writeFileSync(join(data, "thesis/chapter-1"), "x");
  writeShape(data, { brokers: 1 });
  removeData(data);
  expect(readdirSync(data).sort()).toEqual(["my-own-db", "thesis"]);
});
