/** The hops of one write, as records and receipts tell them. */
import { expect, test } from "bun:test";
import { encodeEvent } from "../../../contracts/event.ts";
import type { Receipt } from "../../../contracts/receipt.ts";
import { encodeRouted, routedHeaders } from "../../../contracts/routed-event.ts";
import type { StoredRecord } from "../../../kafka/log.ts";
import { productDocument, upserted } from "../../../tests/harness/events.ts";
import { letterRecord, markRecord } from "../../../tests/harness/letters.ts";
import { appliedHops, deadHop, isThrough, isTold, publishedHop, routedHop, type TracedWrite } from "./hops.ts";

const id = "01890000-0000-7000-8000-000000000001";
const at = Date.parse("2026-01-01T00:00:00.000Z");
const event = {
  ...upserted(productDocument({ id, version: 2 })),
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
};

const followed = (more: Partial<TracedWrite> = {}): TracedWrite => ({
  ...{ number: 1, entity: "product", id, version: 2, operation: "change", startedMs: at - 5, traceId: null, hops: [] },
  ...more,
});

function record(
  topic: string,
  message: { key: string; value: string | null; headers: Record<string, string> },
  ms: number,
): StoredRecord {
  const { key, value, headers } = message;
  const raw = Object.fromEntries(Object.entries(headers).map(([name, text]) => [name, Buffer.from(text)]));
  return {
    topic,
    partition: 1,
    offset: 7,
    timestampMs: ms,
    key: Buffer.from(key),
    value: value === null ? null : Buffer.from(value),
    headers,
    rawHeaders: raw,
  };
}
const published = record("products.events", encodeEvent(event), at + 4);
const routed = (document: Record<string, unknown> | null, ms: number) =>
  record("products.to.catalog", encodeRouted(event, document, routedHeaders(event, 7, undefined)), ms);
const receipt = (more: Partial<Receipt> = {}): Receipt => ({
  ...{ replica: "catalog", entity: "product", appliedMs: at + 16, cachedMs: at + 18, changes: [[id, 2, at]] },
  ...more,
});

test("each hop counts from the one before, and the trace is learned from the event", () => {
  const write = followed();
  write.hops.push(...publishedHop(write, published));
  write.hops.push(...routedHop(write, "catalog", routed({ id }, at + 10)));
  write.hops.push(...appliedHops(write, receipt()));
  expect(write.hops.map(({ kind, replica, tookMs }) => [kind, replica, tookMs])).toEqual([
    ["progress", null, 5],
    ["published", null, 4],
    ["routed", "catalog", 6],
    ["applied", "catalog", 6],
    ["cached", "catalog", 2],
  ]);
  expect(write.traceId).toBe("4bf92f3577b34da6a3ce929d0e0e4736");
  expect(write.hops[1]!.place).toBe("products.events/1/7");
  expect(isThrough(write, ["catalog"])).toBe(true);
  expect(isThrough(write, ["catalog", "storefront"])).toBe(false);
});

test("a receipt that is heard before its record was found counts once that is there", () => {
  const write = followed();
  expect(isTold(write, receipt())).toBe(true);
  expect(appliedHops(write, receipt())).toEqual([]);
  write.hops.push(...routedHop(write, "catalog", routed({ id }, at + 10)));
  expect(appliedHops(write, receipt({ cachedMs: null })).map(({ kind }) => kind)).toEqual(["applied"]);
});

test("a later version of the entity stands for this one; an earlier one, another entity or another id do not", () => {
  const write = followed();
  expect(isTold(write, receipt({ changes: [[id, 3, at]] }))).toBe(true);
  expect(isTold(write, receipt({ changes: [[id, 1, at]] }))).toBe(false);
  expect(isTold(write, receipt({ entity: "canary" }))).toBe(false);
  expect(publishedHop(followed({ id: "01890000-0000-7000-8000-000000000002" }), published)).toEqual([]);
  expect(publishedHop(followed({ version: 3 }), published)).toEqual([]);
});

test("nothing is told twice, and clocks that disagree make no time run backwards", () => {
  const write = followed();
  write.hops.push(...publishedHop(write, published));
  expect(publishedHop(write, published)).toEqual([]);
  expect(routedHop(write, "catalog", routed({ id }, at - 100))[0]!.tookMs).toBe(0);
});

test("a tombstone is a delete, or what is not this replica's to keep", () => {
  expect(routedHop(followed(), "catalog", routed(null, at))[0]!.note).toBe("kept-out");
  expect(routedHop(followed({ operation: "delete" }), "catalog", routed(null, at))[0]!.note).toBe("deleted");
});

test("a poisoned message is found among the letters by its place, and its mark tells what became of it", () => {
  const write = followed({ operation: "poison" });
  const [hop] = publishedHop(followed(), published).filter(({ kind }) => kind === "published");
  write.hops.push({ ...hop!, place: "products.events/0/17" });
  expect(deadHop(write, letterRecord(0, 16, { id }))).toEqual([]);
  // Another message's mark says nothing.
  expect(deadHop(write, markRecord(1, 17))).toEqual([]);
  write.hops.push(...deadHop(write, letterRecord(1, 17, { id, version: 2 })));
  expect(write.hops.at(-1)).toMatchObject({ kind: "dead", note: "internal", place: "products.events/0/17" });
  expect(isThrough(write, ["catalog"])).toBe(false);
  expect(deadHop(write, markRecord(2, 16))).toEqual([]);
  write.hops.push(...deadHop(write, markRecord(3, 17, "superseded")));
  expect(write.hops.at(-1)).toMatchObject({ kind: "settled", note: "superseded" });
  expect(isThrough(write, ["catalog"])).toBe(true);
});
