/** Responses that a healthy broker never gives. */
import { expect, test } from "bun:test";
import { createLogger } from "../../observability/logger.ts";
import { errorCodes } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { ProducePartition, ProduceResponse } from "../wire/produce-request.ts";
import { PartitionWriter } from "./partition-writer.ts";
import type { Sender } from "./sender.ts";
import { WriterState } from "./writer-state.ts";

const at = { topic: "t", partition: 3 };
const fence = { producerId: 1n, producerEpoch: 0, offsets: new Map() };
const records = (...values: string[]) => values.map((value) => ({ key: null, value, headers: {} }));
/** First sequence number of an encoded batch. */
const sequenceOf = ({ batch }: ProducePartition) => batch.readInt32BE(53);

/** A writer whose batches get these responses, and the batches that it has sent. */
function writerWith(...responses: Pick<ProduceResponse, "errorCode" | "baseOffset">[]) {
  const sent: ProducePartition[] = [];
  const sender = {
    send: async (_: unknown, part: ProducePartition) => {
      sent.push(part);
      return { ...at, ...responses[Math.min(sent.length, responses.length) - 1]! };
    },
  } as unknown as Sender;
  const cluster = { knownLeader: () => ({ id: 1, host: "", port: 0 }), refresh: async () => {} } as unknown as Cluster;
  const deps = { cluster, sender, logger: createLogger("test", "1", "silent"), timeoutMs: 1_000 };
  return { writer: new PartitionWriter(at, deps, fence, new WriterState("w"), null), sent };
}

test("P1: a batch whose offset the broker does not report has an unknown outcome", async () => {
  const { writer } = writerWith({ errorCode: 0, baseOffset: -1 });
  await expect(writer.append(records("a"))).rejects.toThrow("t/3 stored the batch without reporting its offset");
});

test("P1 P2: a batch is sent again with the same bytes, and a rejected one leaves its numbers to the next", async () => {
  const { writer, sent } = writerWith(
    { errorCode: errorCodes.NOT_LEADER_OR_FOLLOWER, baseOffset: -1 },
    { errorCode: 0, baseOffset: 40 },
    { errorCode: errorCodes.MESSAGE_TOO_LARGE, baseOffset: -1 },
    { errorCode: 0, baseOffset: 42 },
  );
  expect(await writer.append(records("a", "b"))).toBe(40);
  expect(sent[0]!.batch).toBe(sent[1]!.batch);
  await expect(writer.append(records("large"))).rejects.toThrow(
    "the broker rejects a record for t/3: MESSAGE_TOO_LARGE; shorten the record or raise the topic's limits",
  );
  expect(await writer.append(records("c"))).toBe(42);
  expect(sent.map(sequenceOf)).toEqual([0, 0, 2, 2]);
});

test("a batch beyond the last sequence number is not sent", async () => {
  const { writer, sent } = writerWith({ errorCode: 0, baseOffset: 0 });
  const last = { length: 2 ** 31 } as unknown as ReturnType<typeof records>;
  await expect(writer.append(last)).rejects.toThrow("the sequence numbers of the partition are used up");
  expect(sent).toEqual([]);
});
