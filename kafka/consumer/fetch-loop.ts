/**
 * Keeps partition queues filled with long polls. In the steady state one poll per broker asks for all partitions that
 * it leads, except those whose queue is full.
 *
 * A partition that gets room, or is new, while a poll is in flight goes into a second poll on another connection, so it
 * does not wait for partitions without new records. When a poll returns, the next one asks for all partitions of the
 * broker again, also for those that an older poll still asks for. So the polls merge at once. The older poll returns
 * the same records a second time at most, and the offset in the request shows that they are known.
 */
import { sleep, sleepUnlessAborted } from "../../platform/async/sleep.ts";
import { offsetRanges } from "../offsets.ts";
import { BrokerError, errorAction, errorCodes } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection, Node } from "../wire/connection.ts";
import type { FetchPartition } from "../wire/fetch-request.ts";
import { type FetchedPartition, fetchFrom } from "./fetch.ts";
import type { PartitionQueue } from "./partition-queue.ts";

/** Limit of connections per broker. They open on demand: usually one, and briefly a second one. */
const CONNECTIONS_PER_BROKER = 4;
/**
 * Wait of a poll beside another one, in milliseconds. Its partitions usually have records, and join the others when it
 * returns.
 */
const SECOND_POLL_WAIT_MS = 20;
const MAX_BYTES = 4_194_304;
const REPOSITION_ROUNDS = 3;
const REPOSITION_DELAY_MS = 1_000;
/** After this silence, in milliseconds, a broker may have restarted with another disk. Polls wait much less. */
const SILENCE_MS = 5_000;

/** What the loop reports. */
export interface FetchEvents {
  /** The queue has new bytes. Called for all partitions of a response in one turn of the event loop. */
  readonly onFetched: (queue: PartitionQueue) => void;
  /**
   * Records from `from` to `to` (exclusive) were deleted before they were read. `to` is below `from` when the partition
   * was recreated.
   */
  readonly onGap: (queue: PartitionQueue, from: number, to: number) => void;
  /** The partition may have been created again, see `ConsumeOptions.onInterrupted` in log.ts. */
  readonly onInterrupted: (queue: PartitionQueue) => void;
  /** An error that a retry cannot solve. It concerns these queues. */
  readonly onFailed: (error: unknown, queues: readonly PartitionQueue[]) => void;
}

/** Settings of a loop. */
export interface FetchLoopOptions {
  /**
   * Longest wait of a poll for the first record, in milliseconds. Must be well below the time after which a silent
   * connection is closed, 5 seconds.
   */
  readonly maxWaitMs: number;
  /**
   * Delay before the next fetch of a partition that has just received records and has no further ones, in milliseconds.
   * Default 0.
   */
  readonly lingerMs?: ((queue: PartitionQueue) => number) | undefined;
}

/** One request in flight. */
interface Poll {
  /** The broker that it asks. */
  readonly node: Node;
  readonly connection: Connection;
  readonly partitions: readonly PolledPartition[];
}

/** What a poll asks for. The queue may move on meanwhile. */
interface PolledPartition extends FetchPartition {
  readonly queue: PartitionQueue;
}

/** The connections to one broker. */
interface Broker {
  readonly node: Node;
  readonly connections: Connection[];
  readonly idle: Connection[];
  /** Rises with each poll. */
  polls: number;
}

/** Fetches in the background until the signal aborts. It does nothing before the first `wake`. */
export class FetchLoop {
  private readonly brokers = new Map<Node, Broker>();
  private readonly lingering = new Set<PartitionQueue>();
  private lingerTimer: Timer | undefined;
  private isDelivering = false;
  private isRefreshing = false;

  constructor(
    readonly cluster: Cluster,
    readonly queues: () => Iterable<PartitionQueue>,
    readonly events: FetchEvents,
    readonly signal: AbortSignal,
    readonly options: FetchLoopOptions,
  ) {}

  /** Fetches every partition that has room and no poll. Call it when a queue was added or has room again. */
  wake = (): void => {
    // Otherwise the poll after the response in progress includes them.
    if (!this.isDelivering) this.startPolls(false);
  };

  /** Asks the brokers for an answer now, with or without new records. */
  refresh(queues: readonly PartitionQueue[]): void {
    if (this.signal.aborted) return;
    for (const queue of queues) queue.isLingering = false;
    const fetchable = queues.filter(({ canFetch }) => canFetch);
    // Each queue keeps its earlier poll, so no poll has to follow this one.
    for (const [leader, group] of Map.groupBy(fetchable, (queue) => this.cluster.knownLeader(queue.topicPartition)))
      if (leader) this.startPoll(this.brokerAt(leader), group, 0);
  }

  /** Closes the connections. */
  close(): void {
    clearTimeout(this.lingerTimer);
    for (const { connections } of this.brokers.values()) for (const connection of connections) connection.close();
  }

  /**
   * Starts a poll at each broker that leads a partition without a poll.
   *
   * @param merges whether it also asks for the partitions that an older poll still asks for.
   */
  private startPolls(merges: boolean): void {
    if (this.signal.aborted) return;
    const byLeader = new Map<Node, { queues: PartitionQueue[]; needsPoll: boolean }>();
    for (const queue of this.queues()) {
      if (!queue.canFetch) continue;
      const leader = this.cluster.knownLeader(queue.topicPartition);
      if (!leader) {
        if (queue.poll) continue;
        queue.wasInterrupted = true;
        void this.refreshLeaders();
        continue;
      }
      // A poll at an earlier leader may take long to fail.
      const needsPoll = queue.poll?.node !== leader;
      if (!needsPoll && !merges) continue;
      const group = byLeader.get(leader);
      if (!group) byLeader.set(leader, { queues: [queue], needsPoll });
      else {
        group.queues.push(queue);
        group.needsPoll ||= needsPoll;
      }
    }
    for (const [leader, { queues, needsPoll }] of byLeader) {
      if (!needsPoll) continue;
      const broker = this.brokerAt(leader);
      const isAlone = broker.idle.length === broker.connections.length;
      this.startPoll(broker, queues, merges || isAlone ? this.options.maxWaitMs : SECOND_POLL_WAIT_MS);
    }
  }

  private brokerAt(node: Node): Broker {
    let broker = this.brokers.get(node);
    if (!broker) {
      this.forgetBroker(node.id);
      broker = { node, connections: [], idle: [], polls: 0 };
      this.brokers.set(node, broker);
    }
    return broker;
  }

  /** Closes the connections to a broker that has a new address. */
  private forgetBroker(brokerId: number): void {
    for (const [node, { connections }] of this.brokers) {
      if (node.id !== brokerId) continue;
      for (const connection of connections) connection.close();
      this.brokers.delete(node);
    }
  }

  /** Does nothing while all connections are in use. The next poll that returns is followed by one for all. */
  private startPoll(broker: Broker, queues: readonly PartitionQueue[], waitMs: number): void {
    const { connections, idle } = broker;
    const inFlight = connections.length - idle.length;
    if (inFlight === CONNECTIONS_PER_BROKER) return;
    let connection = idle.pop();
    if (!connection) {
      connection = this.cluster.dedicatedConnection(broker.node);
      connections.push(connection);
    }
    // A broker returns a batch above the size limit only for the first partition with records. So each partition is
    // first in turn.
    const first = broker.polls++ % queues.length;
    const partitions = queues.map((_, i) => {
      const queue = queues[(first + i) % queues.length]!;
      const { topic, partition } = queue.topicPartition;
      return { topic, partition, fetchOffset: queue.nextFetchOffset, maxBytes: queue.maxBytes, queue };
    });
    const poll = { node: broker.node, connection, partitions };
    if (waitMs > 0) for (const queue of queues) queue.poll = poll;
    // The last connection stays available for a partition that gets room.
    const isLast = inFlight === CONNECTIONS_PER_BROKER - 1;
    void this.run(broker, poll, isLast ? Math.min(waitMs, SECOND_POLL_WAIT_MS) : waitMs);
  }

  private async run(broker: Broker, poll: Poll, maxWaitMs: number): Promise<void> {
    const { connection, partitions } = poll;
    let leaderChanged = false;
    try {
      const responses = await fetchFrom(connection, partitions, { maxWaitMs, maxBytes: MAX_BYTES });
      leaderChanged = this.deliver(partitions, responses);
    } catch (error) {
      const queues = partitions.map(({ queue }) => queue);
      if (errorAction(error) !== "retry") this.events.onFailed(error, queues);
      leaderChanged = true;
    }
    for (const { queue } of partitions) if (queue.poll === poll) queue.poll = undefined;
    if (leaderChanged) await this.refreshLeaders();
    broker.idle.push(connection);
    this.startPolls(true);
  }

  /**
   * Reports all partitions of a response before the next poll starts, and without waiting in between. So a reader can
   * treat them as one unit.
   *
   * @returns true when a leader may have changed.
   */
  private deliver(
    partitions: readonly PolledPartition[],
    responses: readonly (FetchedPartition | undefined)[],
  ): boolean {
    let leaderChanged = false;
    this.isDelivering = true;
    try {
      for (let i = 0; i < partitions.length; i++) {
        const response = responses[i];
        if (!response) continue;
        const { queue } = partitions[i]!;
        // A fault of one partition, or of its reader, is not one of the others in the response.
        try {
          leaderChanged = this.handleResponse(queue, response) || leaderChanged;
        } catch (error) {
          this.events.onFailed(error, [queue]);
        }
      }
    } finally {
      this.isDelivering = false;
    }
    return leaderChanged;
  }

  /** @returns true when the leader may have changed. */
  private handleResponse(queue: PartitionQueue, fetched: FetchedPartition): boolean {
    // Another poll had the same records before, or the queue continues elsewhere.
    if (!queue.isOwned || fetched.fetchOffset !== queue.nextFetchOffset) return false;
    if (fetched.errorCode === errorCodes.OFFSET_OUT_OF_RANGE) {
      if (queue.isRepositioning) return false;
      this.events.onInterrupted(queue);
      this.startRepositioning(queue);
      return false;
    }
    if (fetched.errorCode !== 0) {
      queue.wasInterrupted ||= fetched.errorCode === errorCodes.UNKNOWN_TOPIC_OR_PARTITION;
      const error = new BrokerError(fetched.errorCode, `fetch from ${queue.key}`);
      if (error.action !== "retry") this.events.onFailed(error, [queue]);
      return true;
    }
    if (queue.wasInterrupted || performance.now() - queue.respondedAtMs > SILENCE_MS) {
      queue.wasInterrupted = false;
      this.events.onInterrupted(queue);
      if (!queue.isOwned) return false;
    }
    queue.respondedAtMs = performance.now();
    const isNew = queue.add(fetched);
    // Records that are already stored are fetched without delay.
    if (isNew && queue.nextFetchOffset >= fetched.highWatermark) this.linger(queue);
    if (!queue.isEmpty) this.events.onFetched(queue);
    return false;
  }

  /** The partitions that linger at the same time are fetched together. */
  private linger(queue: PartitionQueue): void {
    const lingerMs = this.options.lingerMs?.(queue) ?? 0;
    if (lingerMs === 0) return;
    queue.isLingering = true;
    this.lingering.add(queue);
    this.lingerTimer ??= setTimeout(() => {
      this.lingerTimer = undefined;
      for (const each of this.lingering) each.isLingering = false;
      this.lingering.clear();
      this.wake();
    }, lingerMs);
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
      .catch((error) => this.events.onFailed(error, [queue]))
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
      const { first, next } = ranges.get(queue.key)!;
      if (offset >= first && offset <= next) return;
      if (offset < first) return this.skipTo(queue, offset, first);
      await sleep(REPOSITION_DELAY_MS, this.signal);
      if (round === REPOSITION_ROUNDS) this.skipTo(queue, offset, first);
    }
  }

  private skipTo(queue: PartitionQueue, from: number, to: number): void {
    if (!queue.isOwned || queue.nextFetchOffset !== from) return;
    queue.nextFetchOffset = to;
    this.events.onGap(queue, from, to);
  }
}
