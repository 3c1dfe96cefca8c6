import { expect, test } from "bun:test";
import { cacheStatus } from "./lookup.ts";

test("Cache-Status reports what the cache did, in the terms of RFC 9211", () => {
  expect(cacheStatus({ result: "hit" })).toBe("lockstep-redis; hit");
  expect(cacheStatus({ result: "miss", stored: true, collapsed: false })).toBe("lockstep-redis; fwd=uri-miss; stored");
  expect(cacheStatus({ result: "miss", stored: false, collapsed: true })).toBe(
    "lockstep-redis; fwd=uri-miss; collapsed",
  );
  expect(cacheStatus({ result: "bypass", why: "away" })).toBe("lockstep-redis; fwd=bypass; detail=away");
});
