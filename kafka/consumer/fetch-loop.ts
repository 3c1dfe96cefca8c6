/**
 * Keeps the queues of a consumer filled. All partitions that one broker leads are asked for in one long poll, except those
 * with enough waiting; what becomes ready for more while that poll is under way is asked for in a second one, so that a
 * partition that was slow for a moment does not sit out the others' silence.
 */

import { sleep, sleepUnlessAborted } from "../../platform/async/sleep.ts";
import { partitionKey, type TopicPartition } from "../log.ts";
import { offsetRanges } from "../offsets.ts";
import { BrokerError, errorAction } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import type { Connection, Node } from "../wire/connection.ts";
import { type FetchedPartition, fetchFrom } from "./fetch.ts";
import type { PartitionQueue } from "./partition-queue.ts";

const OFFSET_OUT_OF_RANGE = 1;
const LANES = 4;
const MAX_WAIT_MS = 250;
const MAX_BYTES = 4_194_304;

export interface FetchEvents {
  /** New bytes wait in the queue. */
  readonly onFetched: (queue: PartitionQueue) => void;
  /** Records from `from` to `to` were deleted before they were read. `to` is below `from` when the partition was made anew. */
  readonly onGap: (topicPartition: TopicPartition, from: number, to: number) => void;
  readonly onFailed: (error: unknown) => void;
}

export class FetchLoop {
  private readonly lanes = new Map<Node, { idle: Connection[]; all: Connection[] }>();
  private searching = false;

  constructor(
    readonly cluster: Cluster,
    readonly queues: () => Iterable<PartitionQueue>,
    readonly events: FetchEvents,
    readonly signal: AbortSignal,
    /** {@link FollowOptions.lingerMs} */
    readonly lingerMs = 0,
  ) {}

  /** Asks for whatever is wanted and not asked for yet. To be called when a queue was added or has room again. */
  wake = (): void => {
    if (this.signal.aborted) return;
    const wanted = new Map<Node, PartitionQueue[]>();
    for (const queue of this.queues()) {
      if (queue.isFull) queue.respondedAtMs = performance.now();
      if (queue.isFetching || queue.isFull || queue.isLingering || queue.isRepositioning || !queue.isOwned) continue;
      const leader = this.cluster.knownLeader(queue.topicPartition);
      if (!leader) this.search();
      else if (wanted.has(leader)) wanted.get(leader)!.push(queue);
      else wanted.set(leader, [queue]);
    }
    for (const [node, queues] of wanted) {
      const lane = this.lanesOf(node).idle.pop();
      if (lane) void this.fetch(lane, queues);
    }
  };

  close(): void {
    for (const { all } of this.lanes.values()) for (const lane of all) lane.close();
  }

  private lanesOf(node: Node): { idle: Connection[]; all: Connection[] } {
    let lanes = this.lanes.get(node);
    if (!lanes) {
      this.forget(node.id);
      const all = Array.from({ length: LANES }, () => this.cluster.dedicatedConnection(node));
      lanes = { idle: [...all], all };
      this.lanes.set(node, lanes);
    }
    return lanes;
  }

  /** A broker came back at another address. */
  private forget(id: number): void {
    for (const [node, { all }] of this.lanes) {
      if (node.id !== id) continue;
      for (const lane of all) lane.close();
      this.lanes.delete(node);
    }
  }

  private async fetch(lane: Connection, queues: readonly PartitionQueue[]): Promise<void> {
    for (const queue of queues) queue.isFetching = true;
    // A batch that is larger than the limit comes only for the first partition that has something: each must be it at times.
    const parts = queues
      .map(({ topicPartition, nextFetchOffset, maxBytes }) => ({
        ...topicPartition,
        fetchOffset: nextFetchOffset,
        maxBytes,
      }))
      .sort(() => Math.random() - 0.5);
    let lost = false;
    try {
      const byName = new Map(queues.map((queue) => [partitionKey(queue.topicPartition), queue]));
      for (const fetched of await fetchFrom(lane, parts, { maxWaitMs: MAX_WAIT_MS, maxBytes: MAX_BYTES }))
        lost = this.take(byName.get(partitionKey(fetched))!, fetched) || lost;
    } catch (error) {
      if (errorAction(error) !== "retry") this.events.onFailed(error);
      lost = true;
    }
    for (const queue of queues) queue.isFetching = false;
    if (lost) await this.search();
    this.lanes.get(lane.node)?.idle.push(lane);
    this.wake();
  }

  /** @returns whether the leader must be asked for anew. */
  private take(queue: PartitionQueue, fetched: FetchedPartition): boolean {
    if (!queue.isOwned) return false;
    if (fetched.errorCode === OFFSET_OUT_OF_RANGE) {
      queue.isRepositioning = true;
      void this.reposition(queue)
        .catch(this.events.onFailed)
        .then(() => {
          queue.isRepositioning = false;
          this.wake();
        });
      return false;
    }
    if (fetched.errorCode !== 0) {
      const error = new BrokerError(fetched.errorCode, `fetch from ${partitionKey(queue.topicPartition)}`);
      if (error.action !== "retry") this.events.onFailed(error);
      return true;
    }
    queue.respondedAtMs = performance.now();
    queue.add(fetched);
    // What is there already is not waited for.
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

  /** Learns the leaders anew, after a short rest. */
  private async search(): Promise<void> {
    if (this.searching) return sleepUnlessAborted(50, this.signal);
    this.searching = true;
    try {
      await sleep(50 + Math.random() * 50, this.signal);
      await this.cluster.refresh();
    } catch {
      // No broker answers: the next round asks again, and fetchAgeMs tells how long this has lasted.
    }
    this.searching = false;
    this.wake();
  }

  /**
   * The offset that we want is not there. A broker that is behind says so too, after it was suspended or newly elected, so
   * only what the partition's leader says three times, a second apart, is believed when it would mean to begin again.
   */
  private async reposition(queue: PartitionQueue): Promise<void> {
    const wanted = queue.nextFetchOffset;
    for (let round = 0; round < 3; round++) {
      await this.cluster.refresh().catch(() => {});
      const { first, next } = (await offsetRanges(this.cluster, [queue.topicPartition], this.signal)).get(
        partitionKey(queue.topicPartition),
      )!;
      if (wanted >= first && wanted <= next) return;
      if (wanted < first) return this.skip(queue, wanted, first);
      await sleep(1_000, this.signal);
      if (round === 2) this.skip(queue, wanted, first);
    }
  }

  private skip(queue: PartitionQueue, from: number, to: number): void {
    if (!queue.isOwned || queue.nextFetchOffset !== from) return;
    queue.nextFetchOffset = to;
    this.events.onGap(queue.topicPartition, from, to);
  }
}
