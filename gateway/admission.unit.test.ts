import { expect, test } from "bun:test";
import { RequestError } from "../contracts/errors.ts";
import { LoadShedder } from "../platform/async/load-shedder.ts";
import { Admission } from "./admission.ts";

const TOTAL = 100_000;
const shedder = (isFull = false) => new LoadShedder({ queueTimeMs: 0, isFull }, 1);
const rejection = (work: () => unknown): RequestError => {
  try {
    work();
  } catch (error) {
    if (error instanceof RequestError) return error;
  }
  throw new Error("the admission did not reject the write");
};

test("P14: a write gives its memory and its place back once, however often it is released", () => {
  const admission = new Admission(TOTAL);
  const first = admission.admit(shedder());
  const second = admission.admit(shedder());
  first.reserve(60_000);
  second.reserve(10_000);
  first.release();
  first.release();
  const third = admission.admit(shedder());
  expect(rejection(() => third.reserve(65_001)).message).toBe(
    "The gateway is overloaded: the request bodies in progress have reached their total size. Nothing was changed. Try again.",
  );
  third.reserve(65_000);
  second.release();
  third.release();
  admission.admit(shedder()).reserve(75_000);
});

test("P14: small bodies may use all of the memory, larger ones leave them a quarter", () => {
  const admission = new Admission(TOTAL);
  const large = admission.admit(shedder());
  large.reserve(75_000);
  expect(rejection(() => large.reserve(1)).code).toBe("UNAVAILABLE");
  const small = admission.admit(shedder());
  small.reserve(16_384);
  expect(rejection(() => small.reserve(1)).code).toBe("UNAVAILABLE");
  admission.admit(shedder()).reserve(TOTAL - 75_000 - 16_384);
  expect(rejection(() => admission.admit(shedder()).reserve(1)).code).toBe("UNAVAILABLE");
});

test("P14: a write for a full queue is rejected with a delay, and the condition counts the rejections", () => {
  const admission = new Admission(TOTAL);
  expect(admission.check.problem()).toBeUndefined();
  for (let n = 0; n < 2; n++) {
    const { code, message, details } = rejection(() => admission.admit(shedder(true)));
    expect([code, message]).toEqual([
      "UNAVAILABLE",
      "The gateway is overloaded: writes wait too long for the database. Nothing was changed. Try again.",
    ]);
    expect(details.retryAfterSeconds).toBeOneOf([1, 2, 3]);
  }
  expect(admission.check.problem()).toBe("rejected 2 writes within 1 s: writes wait too long for the database");
});
