/** Each checker is silent on a run in which every promise held, and finds what is planted. */
import { expect, test } from "bun:test";
import { answerOf, documentOf, exampleRun, GONE, KEPT, read, record, write } from "../../tests/harness/chaos-run.ts";
import type { Run } from "../checker.ts";
import type { Operation } from "../history.ts";
import type { AtRest } from "../rest/at-rest.ts";
import { checkers, judge } from "./index.ts";

/** What checkers say of the example run with a change: `checker promise: sentence`. */
const found = (changes: Partial<Run>): string[] =>
  judge({ ...exampleRun(), ...changes }).map(({ checker, promise, sentence }) => `${checker} ${promise}: ${sentence}`);
const withOperations = (...operations: Operation[]) =>
  found({ operations: [...exampleRun().operations, ...operations] });
const withAtRest = (changes: Partial<AtRest>) => found({ atRest: { ...exampleRun().atRest, ...changes } });
/** The example's events, with one record replaced or left out. */
const eventsWith = (replace: (offset: number) => ReturnType<typeof record>[] | undefined) =>
  exampleRun().atRest.events.flatMap((event) => replace(event.offset) ?? [event]);
const routedWith = (replica: string, ...records: ReturnType<typeof record>[]) => {
  const { routed } = exampleRun().atRest;
  return new Map([...routed, [replica, [...routed.get(replica)!, ...records]]]);
};
const seen = (
  replica: string,
  id: string,
  version: number,
  status: string,
  at: number,
  from: "cache" | "list" = "cache",
) =>
  read({
    replica,
    id,
    version,
    from,
    start: at,
    end: at + 10,
    document: answerOf(replica, documentOf(id, version, status)),
  });

test("no checker objects to a run in which every promise held", () => {
  expect(found({})).toEqual([]);
});

test("every checker says what it proves and what it cannot see", () => {
  expect(new Set(checkers.map(({ name }) => name)).size).toBe(checkers.length);
  for (const { proves, cannotSee, promises } of checkers) {
    expect(proves).toMatch(/^[A-Z`].*\.$/);
    expect(cannotSee).toMatch(/^[A-Z`].*\.$/);
    expect(promises.length).toBeGreaterThan(0);
  }
});

test("acknowledged: a write that the source does not have", () => {
  expect(withOperations(write({ id: KEPT, version: 3, sets: { name: "other" }, end: 12_300 }))).toEqual([
    `acknowledged P1: The change of ${KEPT} by writer 1 was acknowledged at version 3 at 12.3 s, but the source ends at version 2`,
  ]);
});

test("acknowledged: an event with another write's content, or without its members", () => {
  const other = eventsWith((offset) =>
    offset === 4
      ? [record({ offset, version: 2, document: documentOf(KEPT, 2, "active", "another name") })]
      : undefined,
  );
  expect(withAtRest({ events: other })).toContain(
    `acknowledged P1: The change of ${KEPT} by writer 1 was acknowledged at version 2 at 0.4 s, but products.events has the name "another name" at this version`,
  );
  const partly = eventsWith((offset) =>
    offset === 4 ? [record({ offset, version: 2, document: documentOf(KEPT, 2, "draft", `${KEPT} 2`) })] : undefined,
  );
  expect(withAtRest({ events: partly })).toContain(
    `acknowledged P1: The change by writer 1 at 0.4 s made version 2 of ${KEPT} with other values of status`,
  );
});

test("acknowledged: a refused write that was made, and a write that was made twice", () => {
  const [name, made] = ["late", documentOf(KEPT, 3, "active", "late")];
  const atRest = (...versions: number[]): AtRest => {
    const base = exampleRun().atRest;
    const more = versions.map((version) => record({ offset: 5 + version, version, document: { ...made, version } }));
    return { ...base, source: new Map([[KEPT, Math.max(...versions)]]), events: [...base.events, ...more] };
  };
  const operations = (outcome: "rejected" | "unknown") => [
    ...exampleRun().operations,
    write({ outcome, version: undefined, sets: { name }, start: 900, end: 950 }),
  ];
  expect(found({ operations: operations("rejected"), atRest: atRest(3) })).toContain(
    `acknowledged P14: The change by writer 1 at 0.9 s was refused, but made version 3 of ${KEPT}`,
  );
  expect(found({ operations: operations("unknown"), atRest: atRest(3, 4) })).toContain(
    `acknowledged P2: The change by writer 1 at 0.9 s was made 2 times: version 3 of ${KEPT} and version 4 of ${KEPT}`,
  );
  // Made once without an answer: allowed.
  expect(found({ operations: operations("unknown"), atRest: atRest(3) }).filter((text) => /^ack/.test(text))).toEqual(
    [],
  );
});

test("versions: one version for two writes, and a condition that did not hold", () => {
  expect(withOperations(write({ client: "writer 2", version: 2, sets: { name: `${KEPT} 2` }, end: 500 }))).toContain(
    `versions P1: Version 2 of ${KEPT} was acknowledged to writer 1 at 0.4 s and to writer 2 at 0.5 s`,
  );
  const conditional = exampleRun().operations.map((one) =>
    one.kind === "change" && one.version === 3 ? { ...one, requires: 1 } : one,
  );
  expect(found({ operations: conditional })).toEqual([
    `versions P1: A write of ${GONE} that required version 1 was acknowledged at version 3 to writer 1 at 0.3 s`,
  ]);
});

test("idempotency: a repeated request with another answer", () => {
  const answer = (version: number, end: number) =>
    write({ id: GONE, version, kind: "change", key: "k", sets: { name: `${GONE} ${version}` }, end });
  const operations = [
    ...exampleRun().operations.filter((one) => !(one.id === GONE && one.kind === "change")),
    ...[answer(2, 800), answer(2, 900), answer(3, 950)],
  ];
  expect(found({ operations })).toEqual([
    `idempotency P2: The key k was answered with version 2 of ${GONE} at 0.8 s, and with version 3 of ${GONE} at 0.9 s`,
  ]);
});

test("topics: a version that is missing, doubled, out of order, or the last one", () => {
  expect(withAtRest({ events: eventsWith((offset) => (offset === 2 ? [] : undefined)) })).toContain(
    `topics P1: products.events lacks version 2 of ${GONE}`,
  );
  const doubled = record({ offset: 9, version: 2, document: documentOf(KEPT, 2, "active") });
  expect(withAtRest({ events: [...exampleRun().atRest.events, doubled] })).toEqual([
    `topics P2: products.events has version 2 of ${KEPT} twice`,
  ]);
  expect(withAtRest({ events: [...exampleRun().atRest.events, record({ ...doubled, version: 1 })] })).toContain(
    `topics P3: products.events has version 1 of ${KEPT} after version 2`,
  );
  expect(withAtRest({ source: new Map([[KEPT, 3]]) })).toContain(
    `topics P1: products.events ends at version 2 of ${KEPT}, the source is at version 3`,
  );
});

test("topics: only a topic that was lost may lack a deleted entity", () => {
  const { atRest } = exampleRun();
  const without = atRest.routed.get("catalog")!.filter(({ key }) => key !== GONE);
  const changed = { ...atRest, routed: new Map([...atRest.routed, ["catalog", without]]) };
  expect(found({ atRest: changed })).toEqual([
    `topics P1: products.to.catalog has no version of ${GONE}, the source is at version 4`,
  ]);
  const lost = { fault: "topic-deleted", subject: "products.to.catalog", start: 100, end: 200 };
  expect(found({ atRest: changed, faults: [lost] })).toEqual([]);
});

test("topics: planted records do not count", () => {
  const events = [
    ...exampleRun().atRest.events,
    record({ offset: 9, version: 1, document: documentOf(KEPT, 1, "draft") }),
  ];
  const planted = [{ topic: "products.events", partition: 0, offset: 9, kind: "older", key: KEPT }] as const;
  expect(found({ atRest: { ...exampleRun().atRest, events }, planted })).toEqual([]);
});

test("topics: content that the filter excludes, a forgotten tombstone, a routed duplicate", () => {
  const { routed } = exampleRun().atRest;
  const change = (offset: number, isDelete: boolean) =>
    new Map([
      ...routed,
      ["storefront", routed.get("storefront")!.map((one) => (one.offset === offset ? { ...one, isDelete } : one))],
    ]);
  expect(withAtRest({ routed: change(2, false) })).toEqual([
    `topics P5: products.to.storefront has the content of version 2 of ${GONE}, which does not belong to storefront`,
  ]);
  expect(withAtRest({ routed: change(4, true) })).toEqual([
    `topics P5: products.to.storefront has a tombstone at version 2 of ${KEPT}, which belongs to storefront`,
  ]);
  expect(withAtRest({ routed: routedWith("catalog", record({ offset: 9, version: 2 })) })).toEqual([
    `topics P2: products.to.catalog has version 2 of ${KEPT} twice, and products.events has it once`,
  ]);
  const short = new Map([...routed, ["catalog", routed.get("catalog")!.filter(({ offset }) => offset !== 5)]]);
  expect(withAtRest({ routed: short })).toEqual([
    `topics P1: products.to.catalog ends at version 3 of ${GONE}, the source is at version 4`,
  ]);
  // After a loss `lockstep resync` sends rows, and no deleted entities.
  const loss = { fault: "records-deleted", subject: "products.to.catalog", start: 0, end: 900 };
  const atRest = { ...exampleRun().atRest, routed: short };
  expect(found({ atRest, faults: [loss] })).toEqual([]);
  const empty = new Map([...routed, ["catalog", []]]);
  expect(found({ atRest: { ...atRest, routed: empty }, faults: [loss] })).toEqual([
    `topics P1: products.to.catalog has no version of ${KEPT}, the source is at version 2`,
  ]);
});

test("reads: a version that decreases, from the cache and in a list, for another reader", () => {
  expect(withOperations(seen("catalog", KEPT, 1, "draft", 700))).toEqual([
    `reads P7: catalog answered version 1 of ${KEPT} from the cache to reader 1 at 0.7 s, after it had answered version 2 from the cache to reader 1 at 0.5 s`,
  ]);
  expect(withOperations(seen("catalog", KEPT, 1, "draft", 700, "list"))[0]).toStartWith("reads P3: catalog answered");
  // It began before the newer version was seen: allowed.
  expect(withOperations({ ...seen("catalog", KEPT, 1, "draft", 455), end: 900 })).toEqual([]);
});

test("reads: what was deleted or left comes back, what was there is gone", () => {
  expect(withOperations(seen("catalog", GONE, 3, "active", 700))).toEqual([
    `reads P4: catalog answered version 3 of ${GONE} from the cache to reader 1 at 0.7 s, after it had answered no version (gone as of version 4) from the cache to reader 1 at 0.6 s`,
  ]);
  expect(withOperations(seen("catalog", GONE, 4, "active", 700))).toContain(
    `reads P4: catalog answered version 4 of ${GONE} from the cache to reader 1 at 0.7 s, which is its delete`,
  );
  expect(withOperations(seen("storefront", GONE, 2, "draft", 241))).toContain(
    `reads P5: storefront answered version 2 of ${GONE} from the cache to reader 1 at 0.3 s, which does not belong to this replica`,
  );
  const absent = read({ id: KEPT, outcome: "absent", version: undefined, from: "database", start: 700, end: 710 });
  expect(withOperations(absent)).toEqual([
    `reads P10: catalog answered no version of ${KEPT} from the database to reader 1 at 0.7 s, after it had answered version 2 from the cache to reader 1 at 0.5 s`,
  ]);
});

test("reads: content of another version", () => {
  const mixed = { ...answerOf("catalog", documentOf(KEPT, 2, "active")), stock: 4 };
  expect(withOperations(read({ version: 2, start: 700, end: 710, document: mixed }))).toEqual([
    `reads P7: catalog answered version 2 of ${KEPT} from the cache to reader 1 at 0.7 s with stock 4, and products.events has 3 at this version`,
  ]);
});

test("members: a member that is not the replica's, and a document that its filter excludes", () => {
  const leaking = { ...answerOf("storefront", documentOf(KEPT, 2, "active")), cost: "9.90" };
  expect(withOperations(read({ replica: "storefront", version: 2, start: 700, end: 710, document: leaking }))).toEqual([
    `members P5: storefront answered version 2 of ${KEPT} to reader 1 at 0.7 s with other members than its own: cost`,
  ]);
  expect(withOperations(seen("storefront", KEPT, 1, "draft", 150))).toContain(
    `members P5: storefront answered version 1 of ${KEPT} to reader 1 at 0.2 s with the status "draft", which its filter excludes`,
  );
});

test("freshness: a read that is older than its token, or than the answer of a waiting write", () => {
  const stale = { ...seen("catalog", KEPT, 1, "draft", 430), required: 2 };
  expect(withOperations(stale)).toEqual([
    `freshness P8: catalog answered version 1 of ${KEPT} from the cache to reader 1 at 0.4 s, although the token of the read required version 2`,
  ]);
  const waiting = exampleRun().operations.map((one) =>
    one.kind !== "read" && one.id === KEPT && one.version === 2 ? { ...one, readableIn: ["catalog"] } : one,
  );
  const early = seen("catalog", KEPT, 1, "draft", 430);
  expect(found({ operations: [...waiting, early] })).toEqual([
    `freshness P8: catalog answered version 1 of ${KEPT} from the cache to reader 1 at 0.4 s, after a write with Prefer: wait was answered at 0.4 s that catalog had version 2`,
  ]);
  // A replica that refuses keeps the promise.
  expect(withOperations({ ...stale, outcome: "behind", version: undefined, document: undefined })).toEqual([]);
});

test("dead letters: one that is missing, one too many, one with other bytes", () => {
  const planted = [{ topic: "products.events", partition: 0, offset: 7, kind: "poison", key: "x" }] as const;
  expect(found({ planted })).toEqual(["dead-letters P6: The invalid record at products.events/0/7 has no dead letter"]);
  const deadLetters = [{ origin: "products.events/0/7", reason: "malformed", isOriginal: true }];
  expect(withAtRest({ deadLetters })).toEqual([
    "dead-letters P6: The record at products.events/0/7 became a dead letter (malformed), and is valid",
  ]);
  const atRest = { ...exampleRun().atRest, deadLetters: [{ ...deadLetters[0]!, isOriginal: false }] };
  expect(found({ planted, atRest })).toEqual([
    "dead-letters P6: The dead letter of products.events/0/7 has other bytes than the record",
  ]);
  expect(found({ planted, atRest: { ...atRest, deadLetters: [...deadLetters, ...deadLetters] } })).toEqual([]);
});

test("rows: a replica that is emptied for a moment", () => {
  const count = (at: number, actual: number, expected = 100) => ({ at, replica: "catalog", expected, actual });
  expect(found({ rowCounts: [count(0, 100), count(500, 3), count(1_000, 100)] })).toEqual([
    "rows P10: catalog had 100 rows at 0.0 s and 3 at 0.5 s, while 100 rows of the source belong to it",
  ]);
  expect(found({ rowCounts: [count(0, 100), count(500, 40, 40)] })).toEqual([]);
});

test("equality: a row that is missing, old, other or superfluous, and a verify that says otherwise", () => {
  const rows = (...rows: { id: string; version: number; hash: string }[]) =>
    withAtRest({
      actual: new Map([...exampleRun().atRest.actual, ["catalog", rows]]),
      verify: { verdict: "differs", text: "1 differs" },
    });
  expect(rows()).toEqual([`equality P1: At rest, catalog lacks ${KEPT}, which the source has at version 2`]);
  expect(rows({ id: KEPT, version: 1, hash: "h" })).toEqual([
    `equality P1: At rest, catalog has version 1 of ${KEPT}, the source has version 2`,
  ]);
  expect(rows({ id: KEPT, version: 2, hash: "x" })).toEqual([
    `equality P1: At rest, catalog has version 2 of ${KEPT} with other content`,
  ]);
  expect(rows({ id: KEPT, version: 2, hash: "h" }, { id: GONE, version: 3, hash: "h" })).toEqual([
    `equality P1: At rest, catalog has version 3 of ${GONE}, which it must not have`,
  ]);
  expect(withAtRest({ verify: { verdict: "differs", text: "1 differs" } })).toEqual([
    "equality P11: All rows are equal, but lockstep verify says otherwise: 1 differs",
  ]);
  expect(withAtRest({ actual: new Map([["catalog", []]]) })).toContain(
    `equality P11: lockstep verify says that all is equal, but catalog lacks ${KEPT}, which the source has at version 2`,
  );
});

test("equality: a cache that answers an old version at rest", () => {
  const old = { ...seen("storefront", GONE, 1, "active", 1_600), from: "cache" as const };
  const deleted = exampleRun().operations.filter((one) => !(one.kind === "read" && one.id === GONE));
  expect(found({ operations: [...deleted, old] })).toEqual([
    `equality P7: storefront answered version 1 of ${GONE} from the cache to reader 1 at 1.6 s, although its database had version 4 at 1.5 s`,
  ]);
});

test("health: a fault that is not shown, a condition that stays, copies that are late", () => {
  const faults = [{ fault: "kept-down", subject: "redis", start: 0, end: 12_000, shows: ["cache-off"] }];
  const statuses = [
    { at: 5_000, conditions: ["cache-off"] },
    { at: 16_000, conditions: [] },
  ];
  const calm = { faults, quietAt: 13_000, inStepAt: 14_000 };
  expect(found({ ...calm, statuses })).toEqual([]);
  expect(found({ ...calm, statuses: statuses.slice(1) })).toEqual([
    "health P14: kept-down of redis lasted from 0.0 s to 12.0 s, and lockstep status showed none of cache-off, but nothing",
  ]);
  expect(found({ ...calm, statuses: statuses.slice(0, 1) })).toEqual([
    "health P14: The last fault ended before 13.0 s, and lockstep status still showed cache-off 30 s later",
  ]);
  expect(found({ inStepAt: undefined })).toEqual([
    "health P14: The copies were never equal, and the last fault ended before 1.0 s",
  ]);
  expect(found({ inStepAt: 40_000 })).toEqual([
    "health P14: The copies were equal only at 40.0 s, and the last fault ended before 1.0 s",
  ]);
});
