/** One question for records, to the leader of some partitions. */
import type { TopicPartition } from "../log.ts";
import { refuse } from "./broker-errors.ts";
import { type FetchPart, fetch } from "./protocol.ts";
import { decodeBatches, type StoredBatch } from "./record-batch/decode.ts";
import type { Wire } from "./wire.ts";

/** What one partition answered. `batches` is set only when `errorCode` is 0. */
export interface Fetched extends TopicPartition {
  readonly errorCode: number;
  readonly askedFrom: number;
  readonly highWatermark: number;
  readonly logStart: number;
  /** May begin before the offset asked for: a batch is stored and sent whole. */
  readonly batches: readonly StoredBatch[];
}

/**
 * Fetches from each partition; waits up to `maxWaitMs` while none has anything.
 *
 * @throws a connection error when the answer is lost, {@link BrokerError} when the whole request is refused, UnreadableBatchError.
 */
export async function fetchFrom(
  wire: Wire,
  parts: readonly FetchPart[],
  limits: { maxWaitMs: number; maxBytes: number },
): Promise<readonly Fetched[]> {
  const answer = await wire.send(fetch(parts, limits));
  refuse(answer.errorCode, `fetch from broker ${wire.node.id}`);
  const asked = new Map(parts.map((part) => [`${part.topic}/${part.partition}`, part.fetchOffset]));
  return answer.parts.map(({ bytes, ...part }) => ({
    ...part,
    askedFrom: asked.get(`${part.topic}/${part.partition}`) ?? 0,
    batches: part.errorCode === 0 ? decodeBatches(bytes, part) : [],
  }));
}
