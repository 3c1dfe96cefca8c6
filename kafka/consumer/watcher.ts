/** Reads all partitions of a topic as they grow, without a group: for what every process must hear, and what is small enough for it. */
import type { Logger } from "../../observability/logger.ts";
import { partitionKey, type Watcher, type WatchOptions } from "../log.ts";
import { offsetRanges } from "../offsets.ts";
import type { Cluster } from "../wire/cluster.ts";
import { FetchLoop } from "./fetch-loop.ts";
import { PartitionQueue } from "./partition-queue.ts";

const MAX_BYTES = 1_048_576;

/** @throws {Error} when the topic is not there, or the brokers cannot be reached within the seam's bounds. */
export async function startWatcher(
  options: WatchOptions,
  deps: { cluster: Cluster; logger: Logger; signal: AbortSignal },
): Promise<Watcher> {
  const { cluster, signal } = deps;
  const count = await cluster.partitions(options.topic);
  const places = Array.from({ length: count }, (_, partition) => ({ topic: options.topic, partition }));
  const bounds = await offsetRanges(cluster, places, signal);
  const queues = places.map((topicPartition) => {
    const { first, next } = bounds.get(partitionKey(topicPartition))!;
    const queue = new PartitionQueue(topicPartition, options.from === "start" ? first : next, undefined, MAX_BYTES);
    return { queue, end: next };
  });
  return new TopicWatcher(options, deps, queues);
}

class TopicWatcher implements Watcher {
  readonly ended: Promise<void>;
  readonly caughtUp: Promise<void>;
  private readonly end = Promise.withResolvers<void>();
  private readonly reached = Promise.withResolvers<void>();
  private readonly closing = new AbortController();
  private readonly fetches: FetchLoop;
  private turn: Promise<void> = Promise.resolve();
  private behind: { queue: PartitionQueue; end: number }[];

  constructor(
    readonly options: WatchOptions,
    { cluster, logger, signal }: { cluster: Cluster; logger: Logger; signal: AbortSignal },
    queues: readonly { queue: PartitionQueue; end: number }[],
  ) {
    this.ended = this.end.promise;
    this.caughtUp = this.reached.promise;
    // Whoever does not look at these has close() and onRecords' own errors.
    this.ended.catch(() => {});
    this.caughtUp.catch(() => {});
    this.behind = [...queues];
    const all = queues.map(({ queue }) => queue);
    this.fetches = new FetchLoop(
      cluster,
      () => all,
      {
        onFetched: (queue) => this.deliver(queue),
        onGap: (topicPartition, from, to) =>
          logger.debug({ ...topicPartition, from, to }, "a watched topic was cut off before it was read"),
        onFailed: (error) => this.fail(error),
      },
      this.closing.signal,
    );
    signal.addEventListener("abort", () => void this.close(), { once: true });
    this.arrive();
    this.fetches.wake();
  }

  async close(): Promise<void> {
    this.closing.abort(new Error("the watcher is closed"));
    this.fetches.close();
    await this.turn;
    this.end.resolve();
    this.reached.reject(new Error(`watching ${this.options.topic} ended before its end was reached`));
  }

  /** One batch after the other, whatever its partition. */
  private deliver(queue: PartitionQueue): void {
    this.turn = this.turn
      .then(async () => {
        if (queue.isEmpty || this.closing.signal.aborted) return;
        const { records, next } = queue.takeAll();
        this.fetches.wake();
        if (records.length > 0) await this.options.onRecords(records);
        queue.processedOffset = next;
        this.arrive();
      })
      .catch((error) => this.fail(error));
  }

  private arrive(): void {
    this.behind = this.behind.filter(({ queue, end }) => queue.processedOffset < end);
    if (this.behind.length === 0) this.reached.resolve();
  }

  private fail(error: unknown): void {
    if (this.closing.signal.aborted) return;
    this.closing.abort(error);
    this.fetches.close();
    this.end.reject(error);
    this.reached.reject(error);
  }
}
