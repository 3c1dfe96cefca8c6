/** Asks partition leaders for the first and the next offset. */
import { type OffsetRange, partitionKey, type TopicPartition } from "./log.ts";
import { BrokerError } from "./wire/broker-errors.ts";
import type { Cluster } from "./wire/cluster.ts";
import { byTopic, READ_COMMITTED } from "./wire/protocol.ts";
import { retryRequest } from "./wire/retry-request.ts";

/** ListOffsets' special timestamps. */
const EARLIEST_TIMESTAMP = -2;
const LATEST_TIMESTAMP = -1;
const TIMEOUT_MS = 15_000;

/** By `partitionKey`. */
type Ranges = ReadonlyMap<string, OffsetRange>;

/**
 * Returns the offset range of each partition, by `partitionKey`. Retries while a partition has no leader.
 *
 * @throws {Error} after `timeoutMs`, 15 seconds by default. With 0 there is one attempt.
 */
export async function offsetRanges(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  signal?: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<Ranges> {
  const [first, next] = await Promise.all([
    listOffsets(cluster, partitions, EARLIEST_TIMESTAMP, signal, timeoutMs),
    listOffsets(cluster, partitions, LATEST_TIMESTAMP, signal, timeoutMs),
  ]);
  // The first offset may move between the two requests. `first` is never above `next`.
  return new Map([...next].map(([key, end]) => [key, { first: Math.min(first.get(key) ?? 0, end), next: end }]));
}

/** Reads offset ranges. Calls of one turn of the event loop share their requests. */
export class OffsetRanges {
  private waiting: { readonly partitions: readonly TopicPartition[]; readonly ranges: PromiseWithResolvers<Ranges> }[] =
    [];

  constructor(
    private readonly cluster: Cluster,
    private readonly signal: AbortSignal,
  ) {}

  /** Returns at least the ranges of these partitions, like {@link offsetRanges}. @throws {Error} after 15 seconds. */
  read(partitions: readonly TopicPartition[]): Promise<Ranges> {
    const ranges = Promise.withResolvers<Ranges>();
    if (this.waiting.push({ partitions, ranges }) === 1) queueMicrotask(() => void this.readAll());
    return ranges.promise;
  }

  private async readAll(): Promise<void> {
    const calls = this.waiting;
    this.waiting = [];
    try {
      if (calls.length > 1) {
        const all = new Map(calls.flatMap(({ partitions }) => partitions.map((each) => [partitionKey(each), each])));
        const ranges = await offsetRanges(this.cluster, [...all.values()], this.signal, 0);
        for (const call of calls) call.ranges.resolve(ranges);
        return;
      }
    } catch {
      // A topic without a leader must not delay the others: each call retries by itself.
    }
    for (const { partitions, ranges } of calls) ranges.resolve(offsetRanges(this.cluster, partitions, this.signal));
  }
}

/** Returns the offset that the next record gets, by `partitionKey`. @throws {Error} after 15 seconds. */
export const endOffsets = (cluster: Cluster, partitions: readonly TopicPartition[], signal?: AbortSignal) =>
  listOffsets(cluster, partitions, LATEST_TIMESTAMP, signal);

/**
 * Returns the first offset whose record has this timestamp or a later one, by `partitionKey`; -1 where there is none.
 *
 * @param sinceMs milliseconds since 1970.
 * @throws {Error} after 15 seconds.
 */
export const offsetsSince = (
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  sinceMs: number,
  signal?: AbortSignal,
) => listOffsets(cluster, partitions, sinceMs, signal);

async function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  timestamp: number,
  signal?: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const options = {
    what: `listing the offsets of ${partitions.length} partitions`,
    timeoutMs,
    beforeRetry: () => cluster.refresh(),
    signal,
  };
  await retryRequest(options, async () => {
    const missing = partitions.filter((each) => !found.has(partitionKey(each)));
    const leaders = await Promise.all(
      missing.map(async (each) => ({ ...each, leaderId: (await cluster.leader(each)).id })),
    );
    const byLeader = [...Map.groupBy(leaders, ({ leaderId }) => leaderId)];
    await Promise.all(byLeader.map(([leaderId, group]) => requestOffsets(cluster, leaderId, group, timestamp, found)));
  });
  return found;
}

/**
 * Adds the offsets of one leader's partitions to `found`.
 *
 * @throws {BrokerError} after adding those without an error.
 */
async function requestOffsets(
  cluster: Cluster,
  leaderId: number,
  partitions: readonly TopicPartition[],
  timestamp: number,
  found: Map<string, number>,
): Promise<void> {
  const topics = byTopic(partitions, ({ partition }) => ({ partition, timestamp }));
  const { responses } = await cluster
    .connection(leaderId)
    .request("ListOffsets", { replicaId: -1, isolationLevel: READ_COMMITTED, topics });
  let failure: BrokerError | undefined;
  for (const { topic, partitions: results } of responses)
    for (const { partition, errorCode, offset } of results) {
      if (errorCode === 0) found.set(partitionKey({ topic, partition }), Number(offset));
      else failure = new BrokerError(errorCode, `listing the offsets of ${topic}/${partition}`);
    }
  if (failure) throw failure;
}
