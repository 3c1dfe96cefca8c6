/** The cache's state travels as the note of a readiness check. */
import { expect, test } from "bun:test";
import { cacheHealthOf, cacheNotes } from "./cache-health.ts";

test("each note names its state", () => {
  const states = Object.keys(cacheNotes);
  expect(Object.values(cacheNotes).map(cacheHealthOf) as string[]).toEqual(states);
});

test("an unknown note names no state", () => {
  expect(cacheHealthOf("Redis is away: every read comes from PostgreSQL")).toBeUndefined();
});
