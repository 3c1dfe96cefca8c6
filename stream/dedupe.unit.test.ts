import { expect, test } from "bun:test";
import fc from "fast-check";
import { freshness } from "./dedupe.ts";

const version = fc.integer({ min: 1, max: 1_000 });

test("the first event of an entity is fresh, whatever its version", () => {
  fc.assert(fc.property(version, (v) => freshness(v, undefined) === "fresh"));
});

test("in any order and with any repetition, each new maximum is fresh once, and no other version is fresh", () => {
  fc.assert(
    fc.property(fc.array(version, { maxLength: 50 }), (arrivals) => {
      let newest: number | undefined;
      const fresh: number[] = [];
      for (const v of arrivals)
        if (freshness(v, newest) === "fresh") {
          fresh.push(v);
          newest = v;
        }
      const isRising = fresh.every((v, i) => i === 0 || v > fresh[i - 1]!);
      return isRising && (arrivals.length === 0 || fresh.at(-1) === Math.max(...arrivals));
    }),
  );
});

test("a resend of the newest version is fresh; a resend of an older version is stale", () => {
  expect(freshness(3, 3, true)).toBe("fresh");
  expect(freshness(2, 3, true)).toBe("stale");
});

test("the newest version is a duplicate; an older version is stale", () => {
  expect(freshness(3, 3)).toBe("duplicate");
  expect(freshness(2, 3)).toBe("stale");
});
