import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { RequestError } from "../contracts/errors.ts";
import { acceptedVersions, etagOf, isUnchanged } from "./preconditions.ts";

const accepted = (ifMatch?: string, ifNoneMatch?: string) => acceptedVersions({ ifMatch, ifNoneMatch });
const malformed = (header: string) =>
  expect.objectContaining({
    code: "MALFORMED",
    details: { violations: [expect.objectContaining({ pointer: header })] },
  });
const thrown = (work: () => unknown): unknown => {
  try {
    return work();
  } catch (error) {
    return error instanceof RequestError ? error : undefined;
  }
};

describe("If-Match on a write", () => {
  test("accepts every version when it is missing or *", () => {
    expect(accepted()).toBeUndefined();
    expect(accepted("*")).toBeUndefined();
    expect(accepted(" * ")).toBeUndefined();
  });

  test("accepts the named versions", () => {
    expect(accepted('"7"')).toEqual([7]);
    expect(accepted('"7", "8"  ,"9"')).toEqual([7, 8, 9]);
  });

  test("accepts no version for a weak tag or a tag that is no version", () => {
    for (const header of ['W/"7"', '"abc"', '""', '"07"', '"-1"', '"0"', '"7.0"', `"${"9".repeat(30)}"`])
      expect(accepted(header)).toEqual([]);
    expect(accepted('W/"7", "8", "x,y"')).toEqual([8]);
  });

  test("is malformed when it is not a list of entity tags", () => {
    for (const header of ["7", "", '"7', '7"', '"7" "8"', "'7'", '*, "7"', '"7";', 'w/"7"'])
      expect(thrown(() => accepted(header))).toEqual(malformed("If-Match"));
  });

  test("reads every version that etagOf writes", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 2 ** 31 }), { minLength: 1 }), (versions) => {
        expect(accepted(versions.map(etagOf).join(", "))).toEqual(versions);
      }),
    );
  });

  test("is read or rejected within 100 ms, for any text", () => {
    for (const header of [`${'"7", '.repeat(3_000)}x`, `"7"${" ".repeat(16_000)}x`, '"'.repeat(16_001)]) {
      const begun = performance.now();
      thrown(() => accepted(header));
      expect(performance.now() - begun).toBeLessThan(100);
    }
  });
});

describe("If-None-Match", () => {
  test("on a write must be *, so that an existing entity has no accepted version", () => {
    expect(accepted(undefined, "*")).toEqual([]);
    expect(accepted('"7"', "*")).toEqual([]);
    expect(thrown(() => accepted(undefined, '"7"'))).toEqual(malformed("If-None-Match"));
  });

  test("on a read uses weak comparison", () => {
    expect(isUnchanged(undefined, 7)).toBe(false);
    expect(isUnchanged('"7"', 7)).toBe(true);
    expect(isUnchanged('W/"7"', 7)).toBe(true);
    expect(isUnchanged('"6", W/"7"', 7)).toBe(true);
    expect(isUnchanged("*", 7)).toBe(true);
    expect(isUnchanged('"6"', 7)).toBe(false);
    expect(thrown(() => isUnchanged("7", 7))).toEqual(malformed("If-None-Match"));
  });
});
