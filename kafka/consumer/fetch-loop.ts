/**
 * Keeps partition queues filled. One long poll per broker asks for all partitions that it leads, except those whose
 * queue is full. A partition that gets room while that poll is in flight goes into another poll on the next connection.
 * So it does not wait for partitions without new records.
 */
import { sleep, sleepUnlessAborted } from "../../platform/async/sleep.ts";
import { partitionKey, type TopicPartition } from "../log.ts";
import { offsetRanges } from "../offsets.ts";
import { BrokerError, errorAction, errorCodes } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection, Node } from "../wire/connection.ts";
import { type FetchedPartition, fetchFrom } from "./fetch.ts";
import type { PartitionQueue } from "./partition-queue.ts";

const CONNECTIONS_PER_BROKER = 4;
const FETCH_LIMITS = { maxWaitMs: 250, maxBytes: 4_194_304 };
const REPOSITION_ROUNDS = 3;
const REPOSITION_DELAY_MS = 1_000;
/** A broker that was silent for so long may have restarted with another disk. */
const SILENCE_MS = 5_000;

/** What the loop reports. */
export interface FetchEvents {
  /** The queue has new bytes. */
  readonly onFetched: (queue: PartitionQueue) => void;
  /**
   * Records from `from` to `to` (exclusive) were deleted before they were read. `to` is below `from` when the partition
   * was recreated.
   */
  readonly onGap: (topicPartition: TopicPartition, from: number, to: number) => void;
  /** The partition may have been created again, see `ConsumeOptions.onInterrupted` in log.ts. */
  readonly onInterrupted: (topicPartition: TopicPartition) => void;
  /** An error that a retry cannot solve. */
  readonly onFailed: (error: unknown) => void;
}

/** Fetches in the background until the signal aborts. It does nothing before the first `wake`. */
export class FetchLoop {
  private readonly pools = new Map<Node, { idle: Connection[]; all: Connection[] }>();
  private isRefreshing = false;

  constructor(
    readonly cluster: Cluster,
    readonly queues: () => Iterable<PartitionQueue>,
    readonly events: FetchEvents,
    readonly signal: AbortSignal,
    /** See `ConsumeOptions.lingerMs` in log.ts. */
    readonly lingerMs = 0,
  ) {}

  /** Fetches every partition that has room and no fetch in flight. Call it when a queue was added or has room again. */
  wake = (): void => {
    if (this.signal.aborted) return;
    const byLeader = new Map<Node, PartitionQueue[]>();
    for (const queue of this.queues()) {
      if (queue.isFull) queue.respondedAtMs = performance.now();
      if (queue.isFetching || queue.isFull || queue.isLingering || queue.isRepositioning || !queue.isOwned) continue;
      const leader = this.cluster.knownLeader(queue.topicPartition);
      if (!leader) {
        queue.wasInterrupted = true;
        this.refreshLeaders();
        continue;
      }
      if (byLeader.has(leader)) byLeader.get(leader)!.push(queue);
      else byLeader.set(leader, [queue]);
    }
    for (const [node, queues] of byLeader) {
      const connection = this.poolOf(node).idle.pop();
      if (connection) void this.fetch(connection, queues);
    }
  };

  /** Closes the connections. */
  close(): void {
    for (const { all } of this.pools.values()) for (const connection of all) connection.close();
  }

  private poolOf(node: Node): { idle: Connection[]; all: Connection[] } {
    let pool = this.pools.get(node);
    if (!pool) {
      this.closePool(node.id);
      const all = Array.from({ length: CONNECTIONS_PER_BROKER }, () => this.cluster.dedicatedConnection(node));
      pool = { idle: [...all], all };
      this.pools.set(node, pool);
    }
    return pool;
  }

  /** Closes the connections to a broker that has a new address. */
  private closePool(brokerId: number): void {
    for (const [node, { all }] of this.pools) {
      if (node.id !== brokerId) continue;
      for (const connection of all) connection.close();
      this.pools.delete(node);
    }
  }

  private async fetch(connection: Connection, queues: readonly PartitionQueue[]): Promise<void> {
    for (const queue of queues) queue.isFetching = true;
    // A broker returns a batch above the size limit only for the first partition with records. The random order gives
    // each partition its turn.
    const partitions = queues
      .map((queue) => ({ ...queue.topicPartition, fetchOffset: queue.nextFetchOffset, maxBytes: queue.maxBytes }))
      .sort(() => Math.random() - 0.5);
    let leaderChanged = false;
    try {
      const byKey = new Map(queues.map((queue) => [partitionKey(queue.topicPartition), queue]));
      for (const fetched of await fetchFrom(connection, partitions, FETCH_LIMITS))
        leaderChanged = this.handleResponse(byKey.get(partitionKey(fetched))!, fetched) || leaderChanged;
    } catch (error) {
      if (errorAction(error) !== "retry") this.events.onFailed(error);
      leaderChanged = true;
    }
    for (const queue of queues) queue.isFetching = false;
    if (leaderChanged) await this.refreshLeaders();
    this.pools.get(connection.node)?.idle.push(connection);
    this.wake();
  }

  /** @returns true when the leader may have changed. */
  private handleResponse(queue: PartitionQueue, fetched: FetchedPartition): boolean {
    if (!queue.isOwned) return false;
    if (fetched.errorCode === errorCodes.OFFSET_OUT_OF_RANGE) {
      this.events.onInterrupted(queue.topicPartition);
      this.startRepositioning(queue);
      return false;
    }
    if (fetched.errorCode !== 0) {
      queue.wasInterrupted ||= fetched.errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION;
      const error = new BrokerError(fetched.errorCode, `fetch from ${partitionKey(queue.topicPartition)}`);
      if (error.action !== "retry") this.events.onFailed(error);
      return true;
    }
    if (queue.wasInterrupted || performance.now() - queue.respondedAtMs > SILENCE_MS) {
      queue.wasInterrupted = false;
      this.events.onInterrupted(queue.topicPartition);
      if (!queue.isOwned) return false;
    }
    queue.respondedAtMs = performance.now();
    queue.add(fetched);
    // Records that are already stored are fetched without delay.
    if (queue.isHighVolume && queue.nextFetchOffset >= fetched.highWatermark) this.linger(queue);
    if (!queue.isEmpty) this.events.onFetched(queue);
    return false;
  }

  private linger(queue: PartitionQueue): void {
    if (this.lingerMs === 0) return;
    queue.isLingering = true;
    setTimeout(() => {
      queue.isLingering = false;
      this.wake();
    }, this.lingerMs);
  }

  /** Updates the metadata after 50 to 100 ms, then wakes the loop. */
  private async refreshLeaders(): Promise<void> {
    if (this.isRefreshing) return sleepUnlessAborted(50, this.signal);
    this.isRefreshing = true;
    try {
      await sleep(50 + Math.random() * 50, this.signal);
      await this.cluster.refresh();
    } catch {
      // No broker responds. The next round retries, and `fetchAgeMs` shows how long this has lasted.
    }
    this.isRefreshing = false;
    this.wake();
  }

  private startRepositioning(queue: PartitionQueue): void {
    queue.isRepositioning = true;
    void this.reposition(queue)
      .catch(this.events.onFailed)
      .then(() => {
        queue.isRepositioning = false;
        this.wake();
      });
  }

  /**
   * Finds the next offset after the broker rejected the current one. An offset below the range means deleted records.
   * An offset above it may also come from a leader that is behind, after it was suspended or newly elected. So the loop
   * goes back to the start only when the leader reports the same in three rounds, a second apart.
   */
  private async reposition(queue: PartitionQueue): Promise<void> {
    const offset = queue.nextFetchOffset;
    for (let round = 1; round <= REPOSITION_ROUNDS; round++) {
      await this.cluster.refresh().catch(() => {});
      const ranges = await offsetRanges(this.cluster, [queue.topicPartition], this.signal);
      const { first, next } = ranges.get(partitionKey(queue.topicPartition))!;
      if (offset >= first && offset <= next) return;
      if (offset < first) return this.skipTo(queue, offset, first);
      await sleep(REPOSITION_DELAY_MS, this.signal);
      if (round === REPOSITION_ROUNDS) this.skipTo(queue, offset, first);
    }
  }

  private skipTo(queue: PartitionQueue, from: number, to: number): void {
    if (!queue.isOwned || queue.nextFetchOffset !== from) return;
    queue.nextFetchOffset = to;
    this.events.onGap(queue.topicPartition, from, to);
  }
}
