/**
 * How a new writer makes sure that it is the only one. A transactional id gives each opener a higher epoch of one producer
 * id; but a partition's leader learns of an epoch only from what is written to it. So the opener commits one empty
 * transaction over its partitions: the coordinator writes a commit marker with the new epoch into each, and from then on
 * the leader refuses whatever an older epoch sends, also batches outside any transaction.
 *
 *     epoch e    InitProducerId             ends what a predecessor left open
 *                AddPartitionsToTxn, EndTxn writes the marker (invisible to readers) into each partition
 *     epoch e+1  InitProducerId             answers once the markers are written; the epoch that the new writer writes with
 *                read on to the own marker  nothing of a predecessor can be stored after it
 *
 * The last step is a proof, not a question: a deposed leader that still answers does not have the marker, whatever it says
 * about the partition's end.
 */

import { fetchFrom } from "../consumer/fetch.ts";
import { partitionKey, type TopicPartition, WriterDeadError } from "../log.ts";
import { endOffsets, throwOnAnyError } from "../offsets.ts";
import { decodeBatches } from "../record-batch/decode.ts";
import { errorAction, NoBrokerError, throwOnError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import { byTopic } from "../wire/protocol.ts";
import { type RetryRequestOptions, retryRequest } from "../wire/retry-request.ts";

/** What a writer writes with, and from where on each partition is its own. */
export interface Fence {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  /** By partition's name. */
  readonly offsets: ReadonlyMap<string, number>;
}

/** Tells where each partition of a fence became its writer's own. */
export const fencedAt =
  (name: string, fence: Fence) =>
  (topicPartition: TopicPartition): number => {
    const offset = fence.offsets.get(partitionKey(topicPartition));
    if (offset === undefined) throw new Error(`writer ${name} was not opened for ${partitionKey(topicPartition)}`);
    return offset;
  };

interface Identity {
  readonly producerId: string;
  readonly producerEpoch: number;
}

const WITHIN_MS = 20_000;
/** After this long an opener that died between the steps counts as gone, and its marker is written for it. */
const TRANSACTION_TIMEOUT_MS = 10_000;
/**
 * The coordinator changes the producer id shortly before epochs end (32,767), and no epoch of another id fences. So an
 * opener that comes this near goes on, marker by marker, until it has the new id: then the old one's last epoch is fenced
 * by its own. Comes up once in 16,000 openings of one name.
 */
const LAST_EPOCH = 32_000;
const PARTITIONS_PER_REQUEST = 500;

/**
 * Takes a writer's name and its partitions over.
 *
 * @throws {WriterDeadError} fenced, when another opener came after us.
 * @throws {Error} when the brokers do not let us within 20 seconds.
 */
export async function fence(
  cluster: Cluster,
  name: string,
  partitions: readonly TopicPartition[],
  signal: AbortSignal,
): Promise<Fence> {
  const options = {
    what: `opening writer ${name}`,
    timeoutMs: WITHIN_MS,
    signal,
    beforeRetry: () => cluster.refresh(),
  };
  const before = await endOffsets(cluster, partitions, signal);
  try {
    let marked = await retryRequest(options, () => initProducerId(cluster, name));
    let own = await writeMarkersAndRaiseEpoch(cluster, name, partitions, marked, options);
    while (own.producerEpoch >= LAST_EPOCH && own.producerId === marked.producerId) {
      marked = own;
      own = await writeMarkersAndRaiseEpoch(cluster, name, partitions, marked, options);
    }
    const search = partitions.map(async (topicPartition) => {
      const found = await findMarker(
        cluster,
        topicPartition,
        before.get(partitionKey(topicPartition)) ?? 0,
        marked,
        signal,
      );
      return [partitionKey(topicPartition), found] as const;
    });
    const offsets = new Map(await Promise.all(search));
    return { producerId: BigInt(own.producerId), producerEpoch: own.producerEpoch, offsets };
  } catch (error) {
    if (errorAction(error) === "fenced") throw new WriterDeadError(name, true, error);
    throw error;
  }
}

const initProducerId = (cluster: Cluster, name: string): Promise<Identity> =>
  cluster.withCoordinator(1, name, async (wire) => {
    const answer = await wire.request("InitProducerId", {
      transactionalId: name,
      transactionTimeout: TRANSACTION_TIMEOUT_MS,
    });
    throwOnError(answer.errorCode, `producer id of ${name}`);
    return answer;
  });

/** Writes the marker with this epoch into each partition. @returns the next epoch. */
async function writeMarkersAndRaiseEpoch(
  cluster: Cluster,
  name: string,
  partitions: readonly TopicPartition[],
  { producerId, producerEpoch }: Identity,
  options: RetryRequestOptions,
): Promise<Identity> {
  const producer = { transactionalId: name, producerId, producerEpoch };
  for (let i = 0; i < partitions.length; i += PARTITIONS_PER_REQUEST) {
    const topics = byTopic(partitions.slice(i, i + PARTITIONS_PER_REQUEST), ({ partition }) => partition);
    await retryRequest(options, () =>
      cluster.withCoordinator(1, name, async (wire) => {
        const { errors } = await wire.request("AddPartitionsToTxn", { ...producer, topics });
        throwOnAnyError(errors, `fencing of`);
      }),
    );
  }
  // If the answer is lost, the next InitProducerId ends the transaction: with a commit marker of this epoch if the
  // request arrived, else with an abort marker of a higher one. Either fences, so this is not sent a second time.
  await cluster
    .withCoordinator(1, name, async (wire) => {
      const { errorCode } = await wire.request("EndTxn", { ...producer, transactionResult: true });
      throwOnError(errorCode, `fencing by ${name}`);
    })
    .catch((error: unknown) => {
      if (errorAction(error) !== "retry") throw error;
    });
  return retryRequest(options, () => initProducerId(cluster, name));
}

/** Reads from `start` on until our marker comes by. @returns the offset after it. */
async function findMarker(
  cluster: Cluster,
  topicPartition: TopicPartition,
  start: number,
  { producerId, producerEpoch }: Identity,
  signal: AbortSignal,
): Promise<number> {
  let fetchOffset = start;
  const options = {
    what: `fencing ${partitionKey(topicPartition)}`,
    timeoutMs: WITHIN_MS,
    signal,
    beforeRetry: () => cluster.refresh(),
  };
  return retryRequest(options, async () => {
    const wire = cluster.connection((await cluster.leader(topicPartition)).id);
    for (;;) {
      const part = { ...topicPartition, fetchOffset, maxBytes: 1_048_576 };
      const [fetched] = await fetchFrom(wire, [part], { maxWaitMs: 50, maxBytes: 1_048_576 });
      if (!fetched)
        throw new NoBrokerError(`broker ${wire.node.id} said nothing about ${partitionKey(topicPartition)}`);
      throwOnError(fetched.errorCode, `reading ${partitionKey(topicPartition)}`);
      const batches = decodeBatches(fetched.bytes, topicPartition);
      const marker = batches.find(
        (batch) => batch.isControl && batch.producerId === BigInt(producerId) && batch.producerEpoch >= producerEpoch,
      );
      if (marker) return marker.nextOffset;
      const last = batches.at(-1);
      if (!last) throw new NoBrokerError(`${partitionKey(topicPartition)} does not show the marker yet`);
      fetchOffset = last.nextOffset;
    }
  });
}
