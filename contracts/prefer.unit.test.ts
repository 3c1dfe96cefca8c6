import { expect, test } from "bun:test";
import { parsePreferWait } from "./prefer.ts";

const max = 10_000;

test("wait is in seconds, is bounded, and may stand between other preferences", () => {
  expect(parsePreferWait("wait=2", max)).toEqual({ ms: 2_000, applied: "wait=2", replicas: undefined });
  expect(parsePreferWait("respond-async, WAIT=0.5 , handling=lenient", max)?.ms).toBe(500);
  expect(parsePreferWait("wait=600", max)).toMatchObject({ ms: max, applied: "wait=10" });
  expect(parsePreferWait("wait=0", max)?.ms).toBe(0);
});

test("the parameter replicas names replicas, with or without quotation marks", () => {
  expect(parsePreferWait('return=minimal, wait=2; replicas="catalog, storefront"', max)?.replicas).toEqual([
    "catalog",
    "storefront",
  ]);
  expect(parsePreferWait("wait=1;replicas=catalog", max)?.replicas).toEqual(["catalog"]);
  expect(parsePreferWait('wait=1; replicas=""', max)?.replicas).toBeUndefined();
});

test("an unknown or invalid preference is ignored", () => {
  for (const header of [undefined, "", "wait", "wait=soon", "wait=-1", "return=minimal", 'x="wait=2"'])
    expect(parsePreferWait(header, max)).toBeUndefined();
});
