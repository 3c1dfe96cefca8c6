import { expect, test } from "bun:test";
import fc from "fast-check";
import {
  DatabaseUnavailableError,
  isBrokenConnection,
  isCanceled,
  isConnectionError,
  isLockTimeout,
  isOutcomeUnknown,
  isReadOnly,
  isRejected,
  isUnavailable,
  isUndone,
} from "./errors.ts";

/** An error as postgres.js makes it of PostgreSQL's answer. */
const answer = (code: string, severity = "ERROR", routine = "elog") =>
  Object.assign(new Error("x"), { code, severity, routine });
const SERVER_STATES = `08000 08001 08003 08004 08006 25006 40001 40P01 53000 53100 53200 53300 55P03 57014 57P01 57P02
  57P03 58030`.split(/\s+/);
const anyCode = fc.stringMatching(/^[0-9A-Z]{5}$/);

test("an error of the server is the statement's own, unless its SQLSTATE is on the list", () => {
  fc.assert(
    fc.property(anyCode, (code) => {
      const isOfServer = SERVER_STATES.includes(code);
      expect([isRejected(answer(code)), isUnavailable(answer(code))]).toEqual([!isOfServer, isOfServer]);
    }),
  );
  for (const code of SERVER_STATES) expect([code, isUnavailable(answer(code))]).toEqual([code, true]);
  for (const code of ["54000", "58P01", "42P01", "XX000", "P0001", "ZZ123", "21000"])
    expect([code, isRejected(answer(code))]).toEqual([code, true]);
});

test("an error that code raises is the statement's own, whatever its SQLSTATE, and the connection is intact", () => {
  fc.assert(
    fc.property(fc.oneof(anyCode, fc.constantFrom(...SERVER_STATES)), (code) => {
      const error = answer(code, "ERROR", "exec_stmt_raise");
      expect(isRejected(error)).toBe(true);
      expect(isUndone(error)).toBe(true);
      for (const is of [isUnavailable, isReadOnly, isBrokenConnection, isConnectionError, isOutcomeUnknown])
        expect(is(error)).toBe(false);
      for (const is of [isCanceled, isLockTimeout]) expect(is(error)).toBe(false);
    }),
  );
});

test("a cancelled statement and a lock timeout are told apart by their code", () => {
  const results = ["57014", "55P03", "40P01"].map((code) => [isCanceled(answer(code)), isLockTimeout(answer(code))]);
  expect(results).toEqual([
    [true, false],
    [false, true],
    [false, false],
  ]);
});

test("an error that ends the session is never the statement's own; only a session that had begun leaves it open", () => {
  for (const [code, isOpen] of [
    ["57P01", true],
    ["57P02", true],
    ["08P01", true],
    ["25P03", true],
    ["28P01", false],
    ["53300", false],
    ["57P03", false],
    ["3D000", false],
  ] as const) {
    const error = answer(code, "FATAL");
    expect([code, isUnavailable(error), isRejected(error)]).toEqual([code, true, false]);
    expect([code, isUndone(error)]).toEqual([code, false]);
    expect([code, isOutcomeUnknown(error), isBrokenConnection(error)]).toEqual([code, isOpen, isOpen]);
  }
});

test("errors of the network and of this program are no answer of the server", () => {
  for (const [code, isOpen] of [
    ["EPIPE", true],
    ["ECONNRESET", true],
    ["CONNECTION_CLOSED", true],
    ["ECONNREFUSED", false],
    ["ENOTFOUND", false],
  ] as const) {
    const error = Object.assign(new Error("x"), { code });
    expect([code, isUnavailable(error), isRejected(error)]).toEqual([code, true, false]);
    expect([code, isOutcomeUnknown(error)]).toEqual([code, isOpen]);
  }
  for (const error of [new TypeError("x"), undefined, "x", Object.assign(new Error("x"), { code: "BEHIND" })])
    expect([isUnavailable(error), isRejected(error)]).toEqual([false, false]);
  for (const sent of [true, false]) {
    const error = new DatabaseUnavailableError("x", sent);
    expect([isUnavailable(error), isOutcomeUnknown(error), isBrokenConnection(error)]).toEqual([true, sent, false]);
  }
});
