import { expect, test } from "bun:test";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { temporaryFolder } from "../tests/harness/parts.ts";
import { makeDataFolder, rememberShape, removeData, shapeFor } from "./data-folder.ts";

const asked = (data: string, brokers?: 1 | 3, partitions?: number) => ({ data, brokers, partitions });

test("data keeps the number of brokers and partitions that it was made with, and another one is refused in words", () => {
  const data = temporaryFolder("shape");
  expect(shapeFor(asked(data))).toEqual({ brokers: 1 });
  rememberShape(data, shapeFor(asked(data, 3, 6)));
  expect(shapeFor(asked(data))).toEqual({ brokers: 3, partitions: 6 });
  expect(shapeFor(asked(data, 3, 6))).toEqual({ brokers: 3, partitions: 6 });
  expect(() => shapeFor(asked(data, 1))).toThrow("was made with --brokers 3: leave the flag out, add --fresh");
  expect(() => shapeFor(asked(data, 3, 7))).toThrow("was made with --partitions 6");
});

test("removing the data leaves alone whatever else is in the folder", () => {
  const data = temporaryFolder("fresh");
  makeDataFolder(data);
  for (const name of ["gateway-db", "broker-1", "redis", "stream-1", "my-own-db", "thesis"])
    mkdirSync(join(data, name));
  writeFileSync(join(data, "gateway-db/password"), "x");
  writeFileSync(join(data, "thesis/chapter-1"), "x");
  rememberShape(data, { brokers: 1 });
  removeData(data);
  expect(readdirSync(data).sort()).toEqual(["my-own-db", "thesis"]);
});
