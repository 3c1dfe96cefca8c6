/** Reads all partitions of a topic without a group, for small topics that every process needs in full. */
import type { Logger } from "../../observability/logger.ts";
import { retry } from "../../platform/async/retry.ts";
import { partitionKey, partitionsOf, type Watcher, type WatchOptions } from "../log.ts";
import { offsetRanges, offsetsSince } from "../offsets.ts";
import { NoBrokerError } from "../wire/broker-errors.ts";
import type { Cluster } from "../wire/cluster.ts";
import { PartitionQueue } from "./partition-queue.ts";
import type { LoopMember, WatchLoop, WatchLoops } from "./watch-loops.ts";

const MAX_BYTES = 1_048_576;

/** A queue, and the end of its partition when the watcher started. */
interface WatchedPartition {
  readonly queue: PartitionQueue;
  readonly end: number;
}

interface WatcherDeps {
  readonly cluster: Cluster;
  readonly loops: WatchLoops;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Starts a watcher. @throws {Error} when the topic does not exist or the brokers do not respond within 15 seconds. */
export async function startWatcher(options: WatchOptions, deps: WatcherDeps): Promise<Watcher> {
  const { cluster, signal } = deps;
  const { topic, from } = options;
  const partitions = partitionsOf(topic, await cluster.partitionCount(topic));
  const id = (await cluster.topicIds([topic])).get(topic);
  // The ends are read first: a record that comes in between is after its end, and is delivered.
  const ranges = await offsetRanges(cluster, partitions, signal);
  const since = typeof from === "object" ? await offsetsSince(cluster, partitions, from.sinceMs, signal) : undefined;
  const watched = partitions.map((topicPartition) => {
    const key = partitionKey(topicPartition);
    const { first, next } = ranges.get(key)!;
    const found = since?.get(key) ?? -1;
    const start = from === "start" ? first : found >= 0 ? Math.min(found, next) : next;
    return { queue: new PartitionQueue(topicPartition, start, undefined, MAX_BYTES), end: next };
  });
  return new TopicWatcher(options, deps, watched, id);
}

class TopicWatcher implements Watcher, LoopMember {
  readonly topic: string;
  queues: readonly PartitionQueue[];
  readonly ended: Promise<void>;
  readonly caughtUp: Promise<void>;
  private readonly ending = Promise.withResolvers<void>();
  private readonly catchingUp = Promise.withResolvers<void>();
  private readonly closing = new AbortController();
  private readonly loop: WatchLoop;
  private lastDelivery: Promise<void> = Promise.resolve();
  private behind: readonly WatchedPartition[];
  /** Nothing is delivered before: the records may be of a new topic, at offsets of the old one. */
  private compared: Promise<void> = Promise.resolve();
  private drainedAtMs = 0;

  constructor(
    readonly options: WatchOptions,
    private readonly deps: WatcherDeps,
    watched: readonly WatchedPartition[],
    /** Identity of the topic; undefined or empty when the brokers have none. */
    private topicId: string | undefined,
  ) {
    this.topic = options.topic;
    this.ended = this.ending.promise;
    this.caughtUp = this.catchingUp.promise;
    // A caller may ignore either promise; its rejection must not count as unhandled.
    this.ended.catch(() => {});
    this.caughtUp.catch(() => {});
    this.behind = watched;
    this.queues = watched.map(({ queue }) => queue);
    deps.signal.addEventListener("abort", () => void this.close(), { once: true, signal: this.closing.signal });
    this.updateCaughtUp();
    this.loop = deps.loops.add(this);
  }

  lingerMs(): number {
    return this.options.lingerMs?.() ?? 0;
  }

  refresh(): void {
    this.loop.refresh(this.queues);
  }

  readUntil(): number {
    if (this.queues.every(({ isDrained }) => isDrained))
      this.drainedAtMs = Math.min(...this.queues.map(({ respondedAtMs }) => respondedAtMs));
    return this.drainedAtMs;
  }

  async close(): Promise<void> {
    this.closing.abort(new Error("the watcher is closed"));
    this.loop.remove(this);
    await this.lastDelivery;
    this.ending.resolve();
    this.catchingUp.reject(new Error(`the watcher of ${this.options.topic} was closed before it had caught up`));
  }

  /** The offsets do not show that a topic was created again: the new one may already be as long as the old one. */
  private async startAgainIfRecreated(): Promise<void> {
    const { topic } = this.options;
    try {
      const id = await untilFound(this.deps.cluster, topic, this.closing.signal);
      if (id && this.topicId && id !== this.topicId) {
        for (const queue of this.queues) queue.isOwned = false;
        this.queues = this.queues.map(
          ({ topicPartition }) => new PartitionQueue(topicPartition, 0, undefined, MAX_BYTES),
        );
        // What was stored at the start is gone, so nothing of it is left to read.
        this.behind = [];
        this.updateCaughtUp();
        this.loop.wake();
      }
      this.topicId = id;
    } catch {
      // The watcher was closed.
    }
  }

  /** Deliveries run one after the other, over all partitions. */
  onFetched(queue: PartitionQueue): void {
    this.lastDelivery = this.lastDelivery
      .then(async () => {
        await this.compared;
        if (queue.isEmpty || !queue.isOwned || this.closing.signal.aborted) return;
        const { isFull } = queue;
        const { records, next } = queue.takeAll();
        if (isFull) this.loop.wake();
        if (records.length > 0) await this.options.onRecords(records);
        queue.processedOffset = next;
        this.updateCaughtUp();
      })
      .catch((error) => this.onFailed(error));
  }

  onGap({ topicPartition }: PartitionQueue, from: number, to: number): void {
    this.deps.logger.debug(
      { ...topicPartition, from, to },
      "records of a watched topic were deleted before they were read",
    );
  }

  onInterrupted(): void {
    this.compared = this.compared.then(() => this.startAgainIfRecreated());
  }

  private updateCaughtUp(): void {
    this.behind = this.behind.filter(({ queue, end }) => queue.processedOffset < end);
    if (this.behind.length === 0) this.catchingUp.resolve();
  }

  onFailed(error: unknown): void {
    if (this.closing.signal.aborted) return;
    this.closing.abort(error);
    this.loop.remove(this);
    this.ending.reject(error);
    this.catchingUp.reject(error);
  }
}

/** Waits until the topic exists. @returns its identity. @throws the signal's reason when it aborts. */
const untilFound = (cluster: Cluster, topic: string, signal: AbortSignal): Promise<string> =>
  retry(
    {
      what: `finding topic ${topic}`,
      timeoutMs: Number.POSITIVE_INFINITY,
      shouldRetry: () => true,
      signal,
      firstDelayMs: 100,
      maxDelayMs: 1_000,
    },
    async () => {
      const id = (await cluster.topicIds([topic])).get(topic);
      if (id === undefined) throw new NoBrokerError(`topic ${topic} does not exist`);
      return id;
    },
  );
