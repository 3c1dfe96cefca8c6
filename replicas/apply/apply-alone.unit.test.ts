/** P6: which rows of a batch are rejected, applied or delivered again, by the errors that the database answers. */
import { expect, test } from "bun:test";
import { deleteChange } from "../../tests/harness/replica.ts";
import { EpochMovedError } from "./apply.ts";
import { applyAlone } from "./apply-alone.ts";
import type { TableTest } from "./rejection-tracker.ts";

const ofServer = (code: string, message = code) => Object.assign(new Error(message), { severity: "ERROR", code });
const rejected = ofServer("23514", "violates check");
const canceled = ofServer("57014", "canceled");
const locked = ofServer("55P03", "lock timeout");
const diskFull = ofServer("53100", "disk full");
const brokenConnection = Object.assign(new Error("the connection closed"), { code: "CONNECTION_CLOSED" });

const guard = { epoch: 1, cache: "off" } as const;
const NOTHING = { unchanged: new Map<string, number>(), altered: new Set<string>(), rejected: new Map() };

/** Applies one change for each list; its statements fail with these errors, one after the other, and then succeed. */
async function run(failures: readonly (readonly unknown[])[], tableTests: readonly (TableTest | Error)[] = []) {
  const remaining = failures.map((errors) => [...errors]);
  const tests = [...tableTests];
  const log: string[] = [];
  const deps = {
    applyOne: async ({ id }: { id: string }) => {
      log.push(id);
      const error = remaining[Number(id)]!.shift();
      if (error) throw error;
      return NOTHING;
    },
    testTable: async () => {
      log.push("test");
      const result = tests.shift() ?? "accepts";
      if (result instanceof Error) throw result;
      return result;
    },
  };
  const changes = failures.map((_, i) => deleteChange(`${i}`, 1));
  const result = await applyAlone(deps, changes, guard).then(
    ({ rejected }) => ({ rejected: [...rejected].map(([id, { code, isUncertain }]) => ({ id, code, isUncertain })) }),
    (error) => ({ error }),
  );
  return { ...result, log: log.join(" ") };
}

test("P6: a row that PostgreSQL rejects is rejected at once, and the others are applied", async () => {
  expect(await run([[], [rejected], []])).toEqual({
    rejected: [{ id: "1", code: "23514", isUncertain: false }],
    log: "0 1 2",
  });
});

test("P6: a row that fails for a reason that may be the server's gets a second attempt", async () => {
  for (const error of [canceled, brokenConnection])
    expect(await run([[error], []])).toEqual({ rejected: [], log: "0 test 0 1" });
});

test("P6: a row is rejected after two failures, each followed by a test write that succeeds", async () => {
  expect(await run([[canceled, canceled], []], ["accepts", "empty"])).toEqual({
    rejected: [{ id: "0", code: "57014", isUncertain: false }],
    log: "0 test 0 test 1",
  });
  expect(await run([[canceled, canceled]], ["rejects", new Error("the server starts"), "accepts"])).toMatchObject({
    rejected: [{ id: "0" }],
    log: "0 test test test 0 test",
  });
});

test("P7: a rejected row may still be committed when one of its failures broke the connection, whichever it was", async () => {
  for (const errors of [
    [brokenConnection, canceled],
    [canceled, brokenConnection],
    [brokenConnection, rejected],
  ])
    expect(await run([errors]), errors.map(String).join(", then ")).toMatchObject({
      rejected: [{ id: "0", isUncertain: true }],
    });
});

test("P6: an error of the server, or another epoch, rejects no row and ends the batch", async () => {
  for (const error of [diskFull, new EpochMovedError("moved")])
    expect(await run([[], [error], []])).toEqual({ error, log: "0 1" });
});

test("P6: locked rows are named after all others are applied; more than five of them end the batch", async () => {
  const few = await run([[locked], [], [locked], [rejected]]);
  expect(few.log).toBe("0 1 2 3");
  expect(few).toMatchObject({
    error: { code: "ROWS_LOCKED", message: "another session has locked 0, 2; end its transaction", cause: locked },
  });
  expect(await run([...Array(6).fill([locked]), []])).toEqual({ error: locked, log: "0 1 2 3 4 5" });
});
