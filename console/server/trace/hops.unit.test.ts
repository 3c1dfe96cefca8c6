/** Which hops follow from records and receipts. */
import { expect, test } from "bun:test";
import { encodeEvent } from "../../../contracts/event.ts";
import type { Receipt } from "../../../contracts/receipt.ts";
import { encodeRouted, routedHeaders } from "../../../contracts/routed-event.ts";
import type { StoredRecord } from "../../../kafka/log.ts";
import { deadLetterRecord, markRecord } from "../../../tests/harness/dead-letters.ts";
import { productDocument, upsertEvent } from "../../../tests/harness/product-events.ts";
import {
  appliedHops,
  confirmsWrite,
  deadLetterHops,
  isComplete,
  publishedHops,
  routedHops,
  type TracedWrite,
} from "./hops.ts";

const id = "01890000-0000-7000-8000-000000000001";
const at = Date.parse("2026-01-01T00:00:00.000Z");
const event = {
  ...upsertEvent(productDocument({ id, version: 2 })),
  traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
};

const traced = (more: Partial<TracedWrite> = {}): TracedWrite => ({
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

test("each hop counts from the previous one, and the event supplies the trace id", () => {
  const write = traced();
  write.hops.push(...publishedHops(write, published));
  write.hops.push(...routedHops(write, "catalog", routed({ id }, at + 10)));
  write.hops.push(...appliedHops(write, receipt()));
  expect(write.hops.map(({ kind, replica, tookMs }) => [kind, replica, tookMs])).toEqual([
    ["committed", null, 5],
    ["published", null, 4],
    ["routed", "catalog", 6],
    ["applied", "catalog", 6],
    ["cached", "catalog", 2],
  ]);
  expect(write.traceId).toBe("4bf92f3577b34da6a3ce929d0e0e4736");
  expect(write.hops[1]!.record).toBe("products.events/1/7");
  expect(isComplete(write, ["catalog"])).toBe(true);
  expect(isComplete(write, ["catalog", "storefront"])).toBe(false);
});

test("a receipt that arrives before its record is used when the record is found", () => {
  const write = traced();
  expect(confirmsWrite(write, receipt())).toBe(true);
  expect(appliedHops(write, receipt())).toEqual([]);
  write.hops.push(...routedHops(write, "catalog", routed({ id }, at + 10)));
  expect(appliedHops(write, receipt({ cachedMs: null })).map(({ kind }) => kind)).toEqual(["applied"]);
});

test("a later version of the entity confirms the write; an earlier one, another entity or another id does not", () => {
  const write = traced();
  expect(confirmsWrite(write, receipt({ changes: [[id, 3, at]] }))).toBe(true);
  expect(confirmsWrite(write, receipt({ changes: [[id, 1, at]] }))).toBe(false);
  expect(confirmsWrite(write, receipt({ entity: "canary" }))).toBe(false);
  expect(publishedHops(traced({ id: "01890000-0000-7000-8000-000000000002" }), published)).toEqual([]);
  expect(publishedHops(traced({ version: 3 }), published)).toEqual([]);
});

test("no hop is reported twice, and no duration is negative when clocks differ", () => {
  const write = traced();
  write.hops.push(...publishedHops(write, published));
  expect(publishedHops(write, published)).toEqual([]);
  expect(routedHops(write, "catalog", routed({ id }, at - 100))[0]!.tookMs).toBe(0);
});

test("a tombstone is a delete, or an entity that no longer matches the replica's filter", () => {
  expect(routedHops(traced(), "catalog", routed(null, at))[0]!.note).toBe("filtered");
  expect(routedHops(traced({ operation: "delete" }), "catalog", routed(null, at))[0]!.note).toBe("deleted");
});

test("the dead letter of a poison message is found by its origin, and the mark says how it was resolved", () => {
  const write = traced({ operation: "poison" });
  const [hop] = publishedHops(traced(), published).filter(({ kind }) => kind === "published");
  write.hops.push({ ...hop!, record: "products.events/0/17" });
  expect(deadLetterHops(write, deadLetterRecord(0, 16, { id }))).toEqual([]);
  // A mark without the write's dead letter is ignored.
  expect(deadLetterHops(write, markRecord(1, 17))).toEqual([]);
  write.hops.push(...deadLetterHops(write, deadLetterRecord(1, 17, { id, version: 2 })));
  expect(write.hops.at(-1)).toMatchObject({ kind: "dead-letter", note: "internal", record: "products.events/0/17" });
  expect(isComplete(write, ["catalog"])).toBe(false);
  expect(deadLetterHops(write, markRecord(2, 16))).toEqual([]);
  write.hops.push(...deadLetterHops(write, markRecord(3, 17, "superseded")));
  expect(write.hops.at(-1)).toMatchObject({ kind: "resolved", note: "superseded" });
  expect(isComplete(write, ["catalog"])).toBe(true);
});

test("a write gets the dead letter of its own version, and of no other version or entity", () => {
  const of = (letter: { id?: string; version?: number }) => deadLetterHops(traced(), deadLetterRecord(0, 16, letter));
  expect(of({ id, version: 1 })).toEqual([]);
  expect(of({ id, version: 3 })).toEqual([]);
  expect(of({ id: crypto.randomUUID(), version: 2 })).toEqual([]);
  expect(of({ id, version: 2 })).toMatchObject([{ kind: "dead-letter", record: "products.events/0/16" }]);
});
