import { expect, test } from "bun:test";
import fc from "fast-check";
import { freshness } from "./dedupe.ts";

const version = fc.integer({ min: 1, max: 1_000 });

test("an entity that was never seen is fresh at any version", () => {
  fc.assert(fc.property(version, (v) => freshness(v, undefined) === "fresh"));
});

test("whatever order and however often versions arrive, each newest one is fresh once and nothing else is", () => {
  fc.assert(
    fc.property(fc.array(version, { maxLength: 50 }), (arrivals) => {
      let newest: number | undefined;
      const passed: number[] = [];
      for (const v of arrivals)
        if (freshness(v, newest) === "fresh") {
          passed.push(v);
          newest = v;
        }
      const rising = passed.every((v, i) => i === 0 || v > passed[i - 1]!);
      return rising && (arrivals.length === 0 || passed.at(-1) === Math.max(...arrivals));
    }),
  );
});

test("the newest version counts once more when it is sent again, an older one does not", () => {
  expect(freshness(3, 3, true)).toBe("fresh");
  expect(freshness(2, 3, true)).toBe("stale");
});

test("the same version again is a duplicate, an older one is stale", () => {
  expect(freshness(3, 3)).toBe("duplicate");
  expect(freshness(2, 3)).toBe("stale");
});
