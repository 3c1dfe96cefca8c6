/** Where partitions begin and end now. */
import { type OffsetRange, partitionKey, type TopicPartition } from "./log.ts";
import { BrokerError, throwOnError } from "./wire/broker-errors.ts";
import type { Cluster } from "./wire/cluster.ts";
import { byTopic, READ_COMMITTED } from "./wire/protocol.ts";
import { retryRequest } from "./wire/retry-request.ts";

const BEGINNING = -2;
const END = -1;
const WITHIN_MS = 15_000;

/** First and next offset of each partition, by `nameOf`. Waits out missing leaders, for 15 seconds at most. */
export async function offsetRanges(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, OffsetRange>> {
  const [first, next] = await Promise.all([
    listOffsets(cluster, partitions, BEGINNING, signal),
    listOffsets(cluster, partitions, END, signal),
  ]);
  // A partition whose beginning moved between the two questions is not shorter than nothing.
  return new Map([...next].map(([name, end]) => [name, { first: Math.min(first.get(name) ?? 0, end), next: end }]));
}

/** The offset that the next record gets, by partition. Throws like `boundsOf`. */
export const endOffsets = (cluster: Cluster, partitions: readonly TopicPartition[], signal?: AbortSignal) =>
  listOffsets(cluster, partitions, END, signal);

async function listOffsets(
  cluster: Cluster,
  partitions: readonly TopicPartition[],
  timestamp: number,
  signal?: AbortSignal,
): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  const options = {
    what: `asking where ${partitions.length} partitions begin and end`,
    timeoutMs: WITHIN_MS,
    beforeRetry: () => cluster.refresh(),
    ...(signal ? { signal } : {}),
  };
  await retryRequest(options, async () => {
    const missing = partitions.filter((topicPartition) => !found.has(partitionKey(topicPartition)));
    const leaders = await Promise.all(
      missing.map(async (topicPartition) => ({ ...topicPartition, node: (await cluster.leader(topicPartition)).id })),
    );
    const groups = [...Map.groupBy(leaders, ({ node }) => node)];
    await Promise.all(groups.map(([node, of]) => askLeader(cluster, node, of, timestamp, found)));
  });
  return found;
}

async function askLeader(
  cluster: Cluster,
  node: number,
  partitions: readonly TopicPartition[],
  timestamp: number,
  found: Map<string, number>,
): Promise<void> {
  const topics = byTopic(partitions, ({ partition }) => ({ partition, timestamp }));
  const { responses } = await cluster
    .connection(node)
    .request("ListOffsets", { replicaId: -1, isolationLevel: READ_COMMITTED, topics });
  let failure: BrokerError | undefined;
  for (const { topic, partitions: answers } of responses)
    for (const { partition, errorCode, offset } of answers) {
      if (errorCode === 0) found.set(partitionKey({ topic, partition }), Number(offset));
      else failure = new BrokerError(errorCode, `offsets of ${topic}/${partition}`);
    }
  if (failure) throw failure;
}

/** Throws unless every partition of the answer is without error. @throws {BrokerError} */
export function throwOnAnyError(
  answers: readonly { topic: string; partitionErrors: readonly { partition: number; errorCode: number }[] }[],
  what: string,
): void {
  for (const { topic, partitionErrors } of answers)
    for (const { partition, errorCode } of partitionErrors) throwOnError(errorCode, `${what} ${topic}/${partition}`);
}
