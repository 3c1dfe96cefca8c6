/** P8: which reads end when, in every order of queries and applies. */
import { expect, test } from "bun:test";
import { Freshness, MAX_WAITING } from "./freshness.ts";

type Required = Parameters<Freshness["onApplied"]>[0];

/** A database whose queries the test answers, in the order in which they arrive. */
function manualDatabase() {
  const queries: { required: Required; answer: (behind: Required) => void; fail: (error: Error) => void }[] = [];
  const behind = (required: Required) => {
    const { promise, resolve, reject } = Promise.withResolvers<Required>();
    queries.push({ required, answer: resolve, fail: reject });
    return promise;
  };
  return { queries, behind };
}
/** One turn of the event loop. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve));
/** Waits until the database has received so many queries. */
const untilQueries = async (queries: readonly unknown[], count: number) => {
  while (queries.length < count) await nextTurn();
};

/** No wait of these tests ends by itself. */
const LONG_MS = 5_000;
const [a2, b3] = [
  { id: "a", version: 2 },
  { id: "b", version: 3 },
];

test("P8: a version that is applied while the first query is in flight ends the wait, although the query did not see it", async () => {
  for (const timeoutMs of [LONG_MS, 0]) {
    const { queries, behind } = manualDatabase();
    const freshness = new Freshness(behind);
    const isFresh = freshness.waitFor([a2!, b3!], timeoutMs);
    freshness.onApplied([a2!]);
    freshness.onApplied([{ id: "b", version: 4 }]);
    queries[0]!.answer([a2!, b3!]);
    expect(await isFresh, `timeout ${timeoutMs} ms`).toBe(true);
    expect(freshness.size).toBe(0);
  }
});

test("P8: an older version and another entity do not end a wait; each read ends with its own last version", async () => {
  const { queries, behind } = manualDatabase();
  const freshness = new Freshness(behind);
  let ended = "";
  const reads = [
    freshness.waitFor([a2!], LONG_MS).then(() => (ended += "a")),
    freshness.waitFor([a2!, b3!], LONG_MS).then(() => (ended += "ab")),
  ];
  for (const { required, answer } of queries) answer(required);
  freshness.onApplied([
    { id: "a", version: 1 },
    { id: "c", version: 9 },
  ]);
  await nextTurn();
  expect(ended).toBe("");
  freshness.onApplied([a2!]);
  await nextTurn();
  expect(ended).toBe("a");
  freshness.onApplied([b3!]);
  await Promise.all(reads);
  expect(ended).toBe("aab");
});

test("P8: versions that another process applies are found by one query for all reads, also after one that failed", async () => {
  const { queries, behind } = manualDatabase();
  const freshness = new Freshness(behind);
  const reads = [freshness.waitFor([a2!], LONG_MS), freshness.waitFor([a2!, b3!], LONG_MS)];
  for (const { required, answer } of queries) answer(required);
  await untilQueries(queries, 3);
  expect(queries[2]!.required).toEqual([a2!, a2!, b3!]);
  queries[2]!.fail(new Error("the database is unavailable"));
  await untilQueries(queries, 4);
  queries[3]!.answer([b3!]);
  expect(await reads[0]).toBe(true);
  await untilQueries(queries, 5);
  expect(queries[4]!.required).toEqual([b3!]);
  queries[4]!.answer([]);
  expect(await reads[1]).toBe(true);
  expect(freshness.size).toBe(0);
});

test("P14: a read that the database does not answer is rejected, and waits no longer", async () => {
  const { queries, behind } = manualDatabase();
  const freshness = new Freshness(behind);
  const read = freshness.waitFor([a2!], LONG_MS);
  queries[0]!.fail(new Error("the database is unavailable"));
  await expect(read).rejects.toThrow("the database is unavailable");
  expect(freshness.size).toBe(0);
});

test("P14: 2,000 reads may wait; the next one is answered at once, until one has ended", async () => {
  const { queries, behind } = manualDatabase();
  const freshness = new Freshness(behind);
  const reads = Array.from({ length: MAX_WAITING }, (_, i) => freshness.waitFor([{ id: `${i}`, version: 1 }], LONG_MS));
  const excess = freshness.waitFor([a2!], LONG_MS);
  queries[MAX_WAITING]?.answer([]);
  await expect(excess).rejects.toMatchObject({
    code: "UNAVAILABLE",
    message: "2000 reads already wait for newer data; retry in a moment.",
  });
  queries[0]!.answer([]);
  await reads[0];
  const next = freshness.waitFor([a2!], 0);
  for (const { answer } of queries) answer([]);
  await Promise.all([...reads, next]);
  expect(freshness.size).toBe(0);
});
