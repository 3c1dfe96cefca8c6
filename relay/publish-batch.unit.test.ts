import { expect, test } from "bun:test";
import { product } from "../contracts/entities/product.ts";
import { eventsTopic } from "../contracts/topics.ts";
import { RecordRejectedError } from "../kafka/log.ts";
import type { OutboxRow } from "./outbox.ts";
import { PublishBatch } from "./publish-batch.ts";

const row = (given: Partial<OutboxRow> = {}): OutboxRow => ({
  seq: "1",
  entity: product.name,
  id: "00000000-0000-4000-8000-000000000000",
  version: 1,
  operation: "deleted",
  data: null,
  bytes: 0,
  traceparent: null,
  transaction: "7",
  actor: null,
  digest: null,
  resend: null,
  time: "2026-01-01T00:00:00.000000Z",
  ...given,
});
const newBatch = () => new PublishBatch([product], new Map([[eventsTopic(product).name, 1]]), new Map());

test("P6: a row of which no event can be built is rejected alone, with its reason", () => {
  const batch = newBatch();
  batch.add(row());
  batch.add(row({ entity: "invoice" }));
  batch.add(row({ data: '{"name": "a secret' }));
  batch.add(row());
  expect(batch.partitions().map(({ records }) => records.length)).toEqual([2]);
  expect(batch.rejected.map(({ reason, detail }) => [reason, detail])).toEqual([
    ["undeclared-entity", "no declaration of this relay has the name invoice"],
    // P13: the parser's message would quote the value.
    ["unencodable", "building the event failed with SyntaxError"],
  ]);
});

test("P6: a record that the broker rejects is set aside as too large, or as rejected", () => {
  const batch = newBatch();
  const rows = [row({ seq: "1" }), row({ seq: "2" }), row({ seq: "3" })];
  for (const one of rows) batch.add(one);
  const [partition] = batch.partitions();
  const rejection = (kind: RecordRejectedError["kind"]) => new RecordRejectedError(partition!.at, kind, "REASON", 1);
  batch.reject(partition!, [
    { index: 0, error: rejection("too large") },
    { index: 2, error: rejection("invalid") },
  ]);
  expect(batch.rejected.map(({ row: { seq }, reason }) => [seq, reason])).toEqual([
    ["1", "record-too-large"],
    ["3", "record-rejected"],
  ]);
});
