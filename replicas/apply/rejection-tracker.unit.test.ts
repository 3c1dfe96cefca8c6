import { expect, test } from "bun:test";
import { type Rejection, RejectionTracker, TableRejectsError } from "./rejection-tracker.ts";

const refused = (ids: readonly string[], code = "23514") =>
  new Map<string, Rejection>(ids.map((id) => [id, { code, message: "refused", names: {} }]));
const ids = (n: number, from = 0) => Array.from({ length: n }, (_, i) => String(from + i));

function table(takesRows: boolean) {
  const world = { takesRows, looked: 0 };
  const refusals = new RejectionTracker("things", async () => {
    world.looked++;
    return world.takesRows;
  });
  return { world, refusals };
}

test("when no row is taken any more, nothing is refused for good: it comes again until a person has acted", async () => {
  const { refusals } = table(false);
  for (const id of ids(19)) await refusals.record([], refused([id]));
  for (let i = 0; i < 3; i++)
    await expect(refusals.record([], refused(ids(100, 19)))).rejects.toThrow(TableRejectsError);
  await refusals.record(["good"], refused(ids(100, 19)));
  await refusals.record([], refused(ids(19, 200)));
});

test("many bad rows in a row do not stop a table that takes others", async () => {
  const { world, refusals } = table(true);
  await refusals.record([], refused(ids(100)));
  expect(world.looked).toBe(5);
});

test("one poison entity that comes again and again is not taken for a table that refuses", async () => {
  const { world, refusals } = table(false);
  for (let i = 0; i < 100; i++) await refusals.record([], refused(["poison"]));
  expect(world.looked).toBe(0);
});

test("a missing table or permission is looked at with the first refusal, unless another row was taken beside it", async () => {
  const { refusals } = table(false);
  await refusals.record(["good"], refused(["bad"], "42501"));
  await expect(refusals.record([], refused(["bad"], "42501"))).rejects.toThrow(TableRejectsError);
});

test("who was refused is suspected until taken; a thousand are remembered", async () => {
  const { refusals } = table(true);
  await refusals.record(["good"], refused(ids(1_001)));
  expect([refusals.recentlyRejected("0"), refusals.recentlyRejected("1"), refusals.recentlyRejected("1000")]).toEqual([
    false,
    true,
    true,
  ]);
  await refusals.record(["1"], new Map());
  expect(refusals.recentlyRejected("1")).toBe(false);
});
