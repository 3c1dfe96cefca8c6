/**
 * A member of a consumer group that reads its partitions. Made of kafkajs' codecs and connections; kafkajs' own consumer is
 * not used, because it waits for its slowest partition before it fetches again, overlaps old and new handlers after a
 * rebalance, and skips silently when offsets are gone (docs/decisions/001-log-writer.md).
 */
import type { Logger } from "../../observability/logger.ts";
import { Outage } from "../../observability/outage.ts";
import { ConcurrencyLimit } from "../../platform/async/limit.ts";
import { sleep, sleepUnlessAborted } from "../../platform/async/sleep.ts";
import { settlesWithin } from "../../platform/async/timeout.ts";
import { type ConsumeOptions, type Consumer, partitionKey, type TopicPartition } from "../log.ts";
import type { Cluster } from "../wire/cluster.ts";
import { commit, startOffsets } from "./commits.ts";
import { FetchLoop } from "./fetch-loop.ts";
import { type AssignmentListener, Membership } from "./membership.ts";
import { PartitionQueue } from "./partition-queue.ts";

const SESSION_TIMEOUT_MS = 10_000;
const REBALANCE_TIMEOUT_MS = 20_000;
const COMMIT_EVERY_MS = 1_000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

/** Joins the group in the background; partitions come when the group has decided. */
export function startConsumer(options: ConsumeOptions, deps: { cluster: Cluster; logger: Logger }): Consumer {
  return new GroupConsumer(options, deps.cluster, deps.logger);
}

class GroupConsumer implements Consumer, AssignmentListener {
  private isPaused = false;
  readonly ended: Promise<void>;
  private readonly end = Promise.withResolvers<void>();
  private readonly closing = new AbortController();
  private readonly queues = new Map<string, PartitionQueue>();
  /** What is being processed, by partition: outlives a rebalance, so that an old handler and a new one never overlap. */
  private readonly working = new Map<string, Promise<void>>();
  private readonly slots: ConcurrencyLimit;
  private readonly fetches: FetchLoop;
  private readonly member: Membership;
  private readonly sessionTimeoutMs: number;
  private closed: Promise<void> | undefined;

  constructor(
    readonly options: ConsumeOptions,
    readonly cluster: Cluster,
    readonly logger: Logger,
  ) {
    const { signal } = this.closing;
    this.sessionTimeoutMs = options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS;
    this.ended = this.end.promise;
    this.ended.catch(() => {});
    this.isPaused = options.paused ?? false;
    this.slots = new ConcurrencyLimit(options.concurrency ?? 12);
    const onGap = (topicPartition: TopicPartition, from: number, to: number) => {
      logger.warn({ ...topicPartition, from, to }, "records were deleted before they were read");
      options.onGap?.(topicPartition, from, to);
    };
    this.fetches = new FetchLoop(
      cluster,
      () => this.queues.values(),
      { onFetched: this.work, onGap, onFailed: this.fail },
      signal,
      options.lingerMs,
    );
    const settings = {
      group: options.group,
      topics: options.topics,
      groupInstanceId: options.groupInstanceId ?? null,
      sessionTimeoutMs: this.sessionTimeoutMs,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      heartbeatMs: Math.min(1_000, this.sessionTimeoutMs / 4),
    };
    this.member = new Membership(cluster, settings, this, signal);
    this.member.run().catch(this.fail);
    void this.commitOften();
  }

  get paused(): boolean {
    return this.isPaused;
  }

  set paused(paused: boolean) {
    this.isPaused = paused;
    if (!paused) for (const queue of this.queues.values()) if (!queue.isEmpty) this.work(queue);
  }

  readonly fetchAgeMs = (): number => {
    // Nothing is fetched once enough waits; that the member still has its seat is what there is to know.
    if (this.queues.size === 0 || this.isPaused) return this.member.heartbeatAgeMs();
    const oldest = Math.min(...[...this.queues.values()].map(({ respondedAtMs }) => respondedAtMs));
    return performance.now() - oldest;
  };

  readonly assigned = (): readonly TopicPartition[] =>
    [...this.queues.values()].map(({ topicPartition }) => topicPartition);

  readonly owned = (): readonly string[] => [...this.queues.keys()];

  readonly onAssigned = async (partitions: readonly TopicPartition[]): Promise<void> => {
    const added = partitions.filter((topicPartition) => !this.queues.has(partitionKey(topicPartition)));
    if (added.length > 0) {
      const starts = await startOffsets(this.cluster, this.options.group, added, this.closing.signal);
      for (const topicPartition of added) {
        const { start, committed } = starts.get(partitionKey(topicPartition))!;
        const maxBytes = this.options.maxBytesPerPartition ?? 1_048_576;
        this.queues.set(partitionKey(topicPartition), new PartitionQueue(topicPartition, start, committed, maxBytes));
      }
      this.logger.info({ group: this.options.group, added: added.length, owned: this.queues.size }, "owns partitions");
      this.options.onAssigned?.(added);
    }
    this.fetches.wake();
  };

  readonly onRevoked = async (names: readonly string[]): Promise<void> => {
    const queues = names.flatMap((name) => this.queues.get(name) ?? []);
    for (const queue of queues) queue.isOwned = false;
    const running = names.flatMap((name) => this.working.get(name) ?? []);
    // Somewhat less than the group waits for us; what still runs then was given away, and must be fenced by its effects.
    await settlesWithin(Promise.all(running), REBALANCE_TIMEOUT_MS * 0.8);
    await this.commit(queues);
    this.forget(queues);
  };

  readonly onLost = (): void => {
    const queues = [...this.queues.values()];
    for (const queue of queues) queue.isOwned = false;
    this.forget(queues);
  };

  close(): Promise<void> {
    this.closed ??= this.stop().then(() => this.end.resolve());
    return this.closed;
  }

  private forget(queues: readonly PartitionQueue[]): void {
    for (const { topicPartition } of queues) this.queues.delete(partitionKey(topicPartition));
    if (queues.length > 0) this.options.onRevoked?.(queues.map(({ topicPartition }) => topicPartition));
  }

  private readonly work = (queue: PartitionQueue): void => {
    const name = partitionKey(queue.topicPartition);
    if (this.working.has(name)) return;
    const work = this.process(queue)
      .catch(this.fail)
      .then(() => {
        this.working.delete(name);
        // Something may have come for the partition's next owner, if that is us again. What is not ours stays where it is:
        // trying it again and again would let nothing else in this process go on.
        const now = this.queues.get(name);
        if (now?.isOwned && !now.isEmpty && !this.isPaused && !this.closing.signal.aborted) this.work(now);
      });
    this.working.set(name, work);
  };

  private async process(queue: PartitionQueue): Promise<void> {
    while (!queue.isEmpty && queue.isOwned && !this.isPaused && !this.closing.signal.aborted) {
      await this.slots.run(async () => {
        const { records, next, highWatermark } = queue.takeAll();
        this.fetches.wake();
        const done =
          records.length === 0 || (await this.deliver(queue, { ...queue.topicPartition, records, highWatermark }));
        if (done) queue.processedOffset = next;
      });
    }
  }

  /** Gives a batch until it is taken. @returns false when the partition was lost before that. */
  private async deliver(queue: PartitionQueue, batch: Parameters<ConsumeOptions["onBatch"]>[0]): Promise<boolean> {
    const trouble = new Outage(this.logger, "a batch failed and will come again", "the batch was taken after all");
    for (let pauseMs = FIRST_RETRY_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_RETRY_MS)) {
      // After this long without the coordinator's word the partition may be another's: better late than twice.
      while (queue.isOwned && this.member.heartbeatAgeMs() > this.sessionTimeoutMs && !this.closing.signal.aborted)
        await sleep(20);
      if (!queue.isOwned || this.closing.signal.aborted) return false;
      try {
        await this.options.onBatch(batch);
        trouble.ended({ ...queue.topicPartition });
        return true;
      } catch (error) {
        trouble.failed(error, { ...queue.topicPartition, againInMs: pauseMs });
        await sleepUnlessAborted(pauseMs, this.closing.signal);
      }
    }
  }

  private async commitOften(): Promise<void> {
    while (!this.closing.signal.aborted) {
      await sleepUnlessAborted(COMMIT_EVERY_MS, this.closing.signal);
      await this.commit([...this.queues.values()]);
    }
  }

  private async commit(queues: readonly PartitionQueue[]): Promise<void> {
    try {
      await commit(this.cluster, this.options.group, this.member.currentGeneration, queues);
    } catch (error) {
      // Offsets are a hint: what is not committed comes again. The next second, or the next owner, makes it good.
      this.logger.debug({ err: error, group: this.options.group }, "offsets were not committed");
    }
  }

  private readonly fail = (error: unknown): void => {
    if (this.closing.signal.aborted) return;
    this.end.reject(error);
    void this.stop();
  };

  private async stop(): Promise<void> {
    this.closing.abort(new Error("the consumer is closed"));
    await this.onRevoked(this.owned());
    await this.member.leave();
    this.fetches.close();
  }
}
