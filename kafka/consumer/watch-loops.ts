/**
 * The fetch loop that all watchers of a process share: one long poll per broker instead of one per watcher. Two
 * watchers of the same topic are in different loops, because a request may ask for a partition once.
 */
import type { Cluster } from "../wire/cluster.ts";
import { type FetchEvents, FetchLoop } from "./fetch-loop.ts";
import type { PartitionQueue } from "./partition-queue.ts";

/** Longest wait of a poll without new records. `Watcher.refresh` gets an answer at once. */
const MAX_WAIT_MS = 2_000;

/** A watcher of one topic. */
export interface LoopMember extends FetchEvents {
  readonly topic: string;
  /** The partitions that it reads now. */
  readonly queues: readonly PartitionQueue[];
  /** See `WatchOptions.lingerMs` in log.ts. */
  readonly lingerMs: () => number;
}

/** All loops of a process: usually one, and none without watchers. */
export class WatchLoops {
  private readonly loops = new Set<WatchLoop>();

  constructor(private readonly cluster: Cluster) {}

  /** Starts fetching for a watcher. */
  add(member: LoopMember): WatchLoop {
    let loop = this.loops.values().find((each) => !each.has(member.topic));
    if (!loop) {
      loop = new WatchLoop(this.cluster, (unused) => this.loops.delete(unused));
      this.loops.add(loop);
    }
    loop.add(member);
    return loop;
  }
}

/** Fetches for watchers of different topics. */
export class WatchLoop {
  private readonly members = new Map<string, LoopMember>();
  private readonly closing = new AbortController();
  private readonly fetchLoop: FetchLoop;

  constructor(
    cluster: Cluster,
    private readonly onUnused: (loop: WatchLoop) => void,
  ) {
    const memberOf = ({ topicPartition }: PartitionQueue) => this.members.get(topicPartition.topic);
    const events: FetchEvents = {
      onFetched: (queue) => memberOf(queue)?.onFetched(queue),
      onGap: (queue, from, to) => memberOf(queue)?.onGap(queue, from, to),
      onInterrupted: (queue) => memberOf(queue)?.onInterrupted(queue),
      onFailed: (error, queues) => {
        for (const member of new Set(queues.map(memberOf))) member?.onFailed(error, member.queues);
      },
    };
    this.fetchLoop = new FetchLoop(cluster, () => this.queues(), events, this.closing.signal, {
      maxWaitMs: MAX_WAIT_MS,
      lingerMs: (queue) => memberOf(queue)?.lingerMs() ?? 0,
    });
  }

  /** True when a member reads this topic. */
  has(topic: string): boolean {
    return this.members.has(topic);
  }

  /** Starts fetching for a watcher. No other member may read its topic. */
  add(member: LoopMember): void {
    this.members.set(member.topic, member);
    this.wake();
  }

  /** Stops fetching for a member. The last one ends the loop. Does nothing when it was removed before. */
  remove(member: LoopMember): void {
    if (this.members.get(member.topic) !== member) return;
    this.members.delete(member.topic);
    for (const queue of member.queues) queue.isOwned = false;
    if (this.members.size > 0) return;
    this.onUnused(this);
    this.closing.abort(new Error("nothing is watched"));
    this.fetchLoop.close();
  }

  /** See {@link FetchLoop.wake}. */
  wake(): void {
    this.fetchLoop.wake();
  }

  /** See {@link FetchLoop.refresh}. */
  refresh(queues: readonly PartitionQueue[]): void {
    this.fetchLoop.refresh(queues);
  }

  private *queues(): Iterable<PartitionQueue> {
    for (const member of this.members.values()) yield* member.queues;
  }
}
