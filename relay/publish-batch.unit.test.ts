import { expect, test } from "bun:test";
import { eventsTopic } from "../contracts/topics.ts";
import { RecordRejectedError } from "../kafka/log.ts";
import { outboxRow } from "../tests/harness/outbox-row.ts";
import { product } from "../tests/project/index.ts";
import { PublishBatch } from "./publish-batch.ts";

const topic = eventsTopic(product).name;
const target = { entity: product, topic, partitions: [{ topic, partition: 0 }] };
const newBatch = () => new PublishBatch(new Map([[product.name, target]]), new Map());

test("P6: a row of which no event can be built is rejected alone, with its reason", () => {
  const batch = newBatch();
  batch.add(outboxRow());
  batch.add(outboxRow({ entity: "invoice" }));
  batch.add(outboxRow({ data: '{"name": "a secret' }));
  batch.add(outboxRow());
  expect(batch.partitions().map(({ records }) => records.length)).toEqual([2]);
  expect(batch.rejected.map(({ reason, detail }) => [reason, detail])).toEqual([
    ["undeclared-entity", "no declaration of this relay has the name invoice"],
    // P13: the parser's message would quote the value.
    ["unencodable", "building the event failed with SyntaxError"],
  ]);
});

test("P6: a record that the broker rejects is set aside as too large, or as rejected", () => {
  const batch = newBatch();
  const rows = [outboxRow({ seq: "1" }), outboxRow({ seq: "2" }), outboxRow({ seq: "3" })];
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
