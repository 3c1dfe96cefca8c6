import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { MAX_REPLICAS, REPLICA_OFFSETS } from "./layout.ts";
import { assignOffsets, PORTS_FILE, recordOffsets, replicaOffsets } from "./replica-ports.ts";

const folder = mkdtempSync(join(tmpdir(), "lockstep-ports-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("without a record, replicas get ports in the order of declaration", () => {
  expect(assignOffsets(["catalog", "storefront", "insights"], {})).toEqual({ catalog: 1, storefront: 2, insights: 6 });
});

test("a recorded replica keeps its port in any order, and beside any other", () => {
  const names = fc.uniqueArray(fc.constantFrom("a", "b", "c", "d", "e", "f"), { minLength: 1 });
  fc.assert(
    fc.property(names, names, (first, second) => {
      const recorded = assignOffsets(first, {});
      const later = assignOffsets(second, recorded);
      expect(later).toMatchObject(recorded);
      const offsets = Object.values(later);
      expect(new Set(offsets).size).toBe(offsets.length);
      for (const offset of offsets) expect(REPLICA_OFFSETS).toContain(offset as 1);
    }),
  );
});

test("one more replica than there are ports for is refused by its name", () => {
  const names = Array.from({ length: MAX_REPLICAS + 1 }, (_, i) => `replica-${i}`);
  expect(() => assignOffsets(names, {})).toThrow(`replica-${MAX_REPLICAS} is one more`);
});

test("the record is written once, and only added to", () => {
  recordOffsets({ folder, replicaNames: ["catalog", "storefront"] });
  recordOffsets({ folder, replicaNames: ["insights", "storefront", "catalog"] });
  expect([...replicaOffsets({ folder, replicaNames: ["storefront", "insights", "catalog"] })]).toEqual([
    ["storefront", 2],
    ["insights", 6],
    ["catalog", 1],
  ]);
  expect(readFileSync(join(folder, PORTS_FILE), "utf8")).toBe(
    '{\n  "catalog": 1,\n  "storefront": 2,\n  "insights": 6\n}\n',
  );
});

test("a wrong record is refused with the file and the reason", () => {
  const withRecord = (text: string) => {
    writeFileSync(join(folder, PORTS_FILE), text);
    return () => replicaOffsets({ folder, replicaNames: ["catalog"] });
  };
  expect(withRecord("{")).toThrow(/lockstep\.ports\.json: it is not JSON/);
  expect(withRecord('{"catalog":3}')).toThrow("the port of catalog must be one of 1, 2, 6, 7, 8, 9");
  expect(withRecord('{"catalog":1,"storefront":1}')).toThrow("two replicas have one port");
});
