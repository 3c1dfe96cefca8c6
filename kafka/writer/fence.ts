/**
 * Makes a new writer the only one of its partitions. The coordinator gives each opener of a name a higher epoch of one
 * producer id. A partition's leader learns of an epoch only from what is written to the partition. So the opener
 * commits an empty transaction over its partitions, and the coordinator writes a marker with the new epoch into each of
 * them. After that the leader rejects everything with an older epoch, including batches outside transactions. The steps
 * are in docs/decisions/001-log-writer.md, section "How a writer opens".
 */
import { fetchFrom } from "../consumer/fetch.ts";
import { partitionKey, type TopicPartition, WriterDeadError } from "../log.ts";
import { endOffsets } from "../offsets.ts";
import { decodeBatches } from "../record-batch/decode.ts";
import { errorAction, NoBrokerError, throwOnAnyError, throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection } from "../wire/connection.ts";
import { byTopic, coordinatorType } from "../wire/protocol.ts";
import { type RetryRequestOptions, retryRequest } from "../wire/retry-request.ts";

/** A writer's producer id and epoch, and the ends of its partitions when it had fenced all earlier writers. */
export interface Fence {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** By `partitionKey`: the offset after this writer's marker. */
  readonly offsets: ReadonlyMap<string, number>;
}

interface ProducerIdentity {
  readonly producerId: string;
  readonly producerEpoch: number;
}

const TIMEOUT_MS = 20_000;
/** The coordinator ends the transaction of an opener that died between the steps after this time. */
const TRANSACTION_TIMEOUT_MS = 10_000;
/**
 * The coordinator assigns a new producer id shortly before the epochs end (32,767), and an epoch fences only its own
 * producer id. From this epoch on, the opener writes marker after marker until it has the new id. The last epoch of the
 * old id is then fenced by its own marker. This happens once in 16,000 openings of one name.
 */
const LAST_EPOCH = 32_000;
const MAX_PARTITIONS_PER_REQUEST = 500;
const MARKER_FETCH = { maxWaitMs: 50, maxBytes: 1_048_576 };

/**
 * Takes over the name of a writer and its partitions.
 *
 * @throws {WriterDeadError} with `fenced` when another opener came after this one.
 * @throws {Error} after 20 seconds without success.
 */
export async function fence(
  cluster: Cluster,
  name: string,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<Fence> {
  const what = `opening writer ${name}`;
  const options = { what, timeoutMs: TIMEOUT_MS, signal, beforeRetry: () => cluster.refresh() };
  const startOffsets = await endOffsets(cluster, partitions, signal);
  try {
    let marked = await retryRequest(options, () => initProducerId(cluster, name));
    let current = await writeMarkers(cluster, name, partitions, marked, options);
    while (current.producerEpoch >= LAST_EPOCH && current.producerId === marked.producerId) {
      marked = current;
      current = await writeMarkers(cluster, name, partitions, marked, options);
    }
    const searches = partitions.map(async (each) => {
      const start = startOffsets.get(partitionKey(each)) ?? 0;
      return [partitionKey(each), await findMarker(cluster, each, start, marked, signal)] as const;
    });
    const offsets = new Map(await Promise.all(searches));
    return { producerId: BigInt(current.producerId), producerEpoch: current.producerEpoch, offsets };
  } catch (error) {
    if (errorAction(error) === "fenced") throw new WriterDeadError(name, true, error);
    throw error;
  }
}

/** Raises the epoch. Ends a transaction that an earlier writer left open; responds when its markers are written. */
const initProducerId = (cluster: Cluster, name: string): Promise<ProducerIdentity> =>
  cluster.withCoordinator(coordinatorType.transaction, name, async (coordinator) => {
    const response = await coordinator.request("InitProducerId", {
      transactionalId: name,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
    });
    throwOnError(response.errorCode, `producer id of ${name}`);
    return response;
  });

/** Writes a marker with this epoch into each partition, then raises the epoch. @returns the next epoch. */
async function writeMarkers(
  cluster: Cluster,
  name: string,
  partitions: readonly TopicPartition[],
  { producerId, producerEpoch }: ProducerIdentity,
  options: RetryRequestOptions,
): Promise<ProducerIdentity> {
  const producer = { transactionalId: name, producerId, producerEpoch };
  const withCoordinator = (send: (coordinator: Connection) => Promise<void>) =>
    cluster.withCoordinator(coordinatorType.transaction, name, send);
  for (let i = 0; i < partitions.length; i += MAX_PARTITIONS_PER_REQUEST) {
    const topics = byTopic(partitions.slice(i, i + MAX_PARTITIONS_PER_REQUEST), ({ partition }) => partition);
    await retryRequest(options, () =>
      withCoordinator(async (coordinator) => {
        const { errors } = await coordinator.request("AddPartitionsToTxn", { ...producer, topics });
        throwOnAnyError(errors, `fencing by writer ${name}`);
      }),
    );
  }
  // Not retried. After a lost response, the next InitProducerId ends the transaction: with a commit marker of this
  // epoch if the request arrived, otherwise with an abort marker of a higher epoch. Both fence.
  await withCoordinator(async (coordinator) => {
    const { errorCode } = await coordinator.request("EndTxn", { ...producer, transactionResult: true });
    throwOnError(errorCode, `fencing by writer ${name}`);
  }).catch((error: unknown) => {
    if (errorAction(error) !== "retry") throw error;
  });
  return retryRequest(options, () => initProducerId(cluster, name));
}

/**
 * Reads from `start` until the writer's own marker. That proves the fence: a deposed leader that still responds does
 * not have the marker, whatever end offset it reports.
 *
 * @returns the offset after the marker.
 */
async function findMarker(
  cluster: Cluster,
  topicPartition: TopicPartition,
  start: number,
  { producerId, producerEpoch }: ProducerIdentity,
  signal: AbortSignal,
): Promise<number> {
  const key = partitionKey(topicPartition);
  const options = { what: `fencing ${key}`, timeoutMs: TIMEOUT_MS, signal, beforeRetry: () => cluster.refresh() };
  let fetchOffset = start;
  return retryRequest(options, async () => {
    // Not the shared connection: while a fetch waits, the broker handles nothing else on its connection.
    const connection = cluster.dedicatedConnection(await cluster.leader(topicPartition));
    try {
      for (;;) {
        const request = { ...topicPartition, fetchOffset, maxBytes: MARKER_FETCH.maxBytes };
        const [fetched] = await fetchFrom(connection, [request], MARKER_FETCH);
        if (!fetched) throw new NoBrokerError(`broker ${connection.node.id} returned nothing for ${key}`);
        throwOnError(fetched.errorCode, `reading ${key}`);
        const batches = decodeBatches(fetched.bytes, topicPartition);
        const marker = batches.find(
          (batch) => batch.isControl && batch.producerId === BigInt(producerId) && batch.producerEpoch >= producerEpoch,
        );
        if (marker) return marker.nextOffset;
        const last = batches.at(-1);
        if (!last) throw new NoBrokerError(`${key} does not have the marker yet`);
        fetchOffset = last.nextOffset;
      }
    } finally {
      connection.close();
    }
  });
}
