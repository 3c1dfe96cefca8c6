import { expect, test } from "bun:test";
import { type Rejection, RejectionTracker, TableRejectsError, type TableTest } from "./rejection-tracker.ts";

const rejected = (ids: readonly string[], code = "23514", raised = false) =>
  new Map<string, Rejection>(ids.map((id) => [id, { code, message: "rejected", names: {}, raised }]));
const ids = (n: number, from = 0) => Array.from({ length: n }, (_, i) => String(from + i));

function tracked(result: TableTest) {
  const table = { tests: 0 };
  const tracker = new RejectionTracker("things", async () => {
    table.tests++;
    return result;
  });
  return { table, tracker };
}

test("when the table accepts no row, each batch fails until a row is accepted again", async () => {
  const { tracker } = tracked("rejects");
  for (const id of ids(19)) await tracker.record([], rejected([id]));
  for (let i = 0; i < 3; i++)
    await expect(tracker.record([], rejected(ids(100, 19)))).rejects.toThrow(TableRejectsError);
  await tracker.record(["good"], rejected(ids(100, 19)));
  await tracker.record([], rejected(ids(19, 200)));
});

test("many rejected rows in a row do not stop a table that accepts others", async () => {
  const { table, tracker } = tracked("accepts");
  await tracker.record([], rejected(ids(100)));
  expect(table.tests).toBe(5);
});

test("one entity that is rejected again and again does not cause a test of the table", async () => {
  const { table, tracker } = tracked("rejects");
  for (let i = 0; i < 100; i++) await tracker.record([], rejected(["poison"]));
  expect(table.tests).toBe(0);
});

test("a missing table or permission is tested at the first rejection, unless another row was accepted beside it", async () => {
  const { tracker } = tracked("rejects");
  await tracker.record(["good"], rejected(["bad"], "42501"));
  await expect(tracker.record([], rejected(["bad"], "42501"))).rejects.toThrow(TableRejectsError);
});

test("a code of class 42 in a RAISE statement concerns its row only", async () => {
  const { table, tracker } = tracked("rejects");
  await tracker.record([], rejected(["bad"], "42P01", true));
  expect(table.tests).toBe(0);
});

test("the first 1,000 rows of an empty table may be rejected; a missing permission stops at once", async () => {
  const { tracker } = tracked("empty");
  await tracker.record([], rejected(ids(999)));
  await expect(tracker.record([], rejected(ids(1, 999)))).rejects.toThrow(TableRejectsError);
  await expect(tracked("empty").tracker.record([], rejected(["any"], "42501"))).rejects.toThrow(TableRejectsError);
});

test("once a row is accepted, a table that was empty is tested after 20 rejections again", async () => {
  let result: TableTest = "empty";
  const tracker = new RejectionTracker("things", async () => result);
  await tracker.record([], rejected(ids(20)));
  await tracker.record(["good"], new Map());
  result = "rejects";
  await tracker.record([], rejected(ids(19)));
  await expect(tracker.record([], rejected(ids(1, 19)))).rejects.toThrow(
    "table things accepts no row (SQLSTATE 23514: rejected); repair its schema or its permissions",
  );
});

test("a rejected entity counts as recently rejected until it is accepted; 1,000 are remembered", async () => {
  const { tracker } = tracked("accepts");
  await tracker.record(["good"], rejected(ids(1_001)));
  expect(["0", "1", "1000"].map((id) => tracker.recentlyRejected(id))).toEqual([false, true, true]);
  await tracker.record(["1"], new Map());
  expect(tracker.recentlyRejected("1")).toBe(false);
});
