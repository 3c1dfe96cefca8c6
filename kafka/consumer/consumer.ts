/**
 * A member of a consumer group that processes its partitions. It uses kafkajs' codecs, but not kafkajs' consumer. That
 * one waits for its slowest partition before it fetches again. After a rebalance its old and new handlers overlap, and
 * it skips deleted records silently (docs/decisions/001-log-writer.md).
 */
import type { Logger } from "../../observability/logger.ts";
import { Outage } from "../../observability/outage.ts";
import { ConcurrencyLimit } from "../../platform/async/limit.ts";
import { retry } from "../../platform/async/retry.ts";
import { sleep, sleepUnlessAborted } from "../../platform/async/sleep.ts";
import { settlesWithin } from "../../platform/async/timeout.ts";
import {
  type Batch,
  type ConsumeOptions,
  type Consumer,
  type ConsumerPosition,
  partitionKey,
  type TopicPartition,
} from "../log.ts";
import type { Cluster } from "../wire/cluster.ts";
import { commitOffsets, startOffsets } from "./commits.ts";
import { FetchLoop } from "./fetch-loop.ts";
import { type AssignmentListener, Membership } from "./membership.ts";
import { PartitionQueue } from "./partition-queue.ts";

const SESSION_TIMEOUT_MS = 10_000;
const REBALANCE_TIMEOUT_MS = 20_000;
/**
 * Shorter than the rebalance timeout. After it the next owner may start, so a handler's effects must be fenced (P9).
 */
const REVOKE_TIMEOUT_MS = 0.8 * REBALANCE_TIMEOUT_MS;
const COMMIT_INTERVAL_MS = 1_000;
const MAX_HEARTBEAT_INTERVAL_MS = 1_000;
const MAX_BYTES_PER_PARTITION = 1_048_576;
/** Longest wait of a fetch without new records. A `fetchAgeMs` of up to a second is normal. */
const FETCH_WAIT_MS = 500;
const CONCURRENCY = 12;
/** Delays before a rejected batch is delivered again. `retry` adds up to a quarter: the longest is below 4 seconds. */
const REDELIVERY = { firstDelayMs: 100, maxDelayMs: 3_000 };

/** Joins the group in the background. */
export function startConsumer(options: ConsumeOptions, deps: { cluster: Cluster; logger: Logger }): Consumer {
  return new GroupConsumer(options, deps.cluster, deps.logger);
}

class GroupConsumer implements Consumer, AssignmentListener {
  readonly ended: Promise<void>;
  private isPaused: boolean;
  private readonly ending = Promise.withResolvers<void>();
  private readonly closing = new AbortController();
  private readonly queues = new Map<string, PartitionQueue>();
  /** Handlers in flight, by partition. Entries survive a rebalance, so old and new handlers never overlap. */
  private readonly inFlight = new Map<string, Promise<void>>();
  private readonly concurrency: ConcurrencyLimit;
  private readonly fetchLoop: FetchLoop;
  private readonly membership: Membership;
  private readonly sessionTimeoutMs: number;
  private closed: Promise<void> | undefined;

  constructor(
    readonly options: ConsumeOptions,
    readonly cluster: Cluster,
    readonly logger: Logger,
  ) {
    const { signal } = this.closing;
    this.sessionTimeoutMs = options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS;
    this.ended = this.ending.promise;
    // A caller may ignore the promise; its rejection must not count as unhandled.
    this.ended.catch(() => {});
    this.isPaused = options.paused ?? false;
    this.concurrency = new ConcurrencyLimit(options.concurrency ?? CONCURRENCY);
    const events = {
      onFetched: this.startProcessing,
      onGap: this.reportGap,
      onInterrupted: ({ topicPartition }: PartitionQueue) => options.onInterrupted?.(topicPartition),
      onFailed: this.fail,
    };
    this.fetchLoop = new FetchLoop(cluster, () => this.queues.values(), events, signal, {
      maxWaitMs: FETCH_WAIT_MS,
      lingerMs: (queue) => (queue.isHighVolume ? (options.lingerMs ?? 0) : 0),
    });
    const membershipOptions = {
      group: options.group,
      topics: options.topics,
      groupInstanceId: options.groupInstanceId ?? null,
      sessionTimeoutMs: this.sessionTimeoutMs,
      rebalanceTimeoutMs: REBALANCE_TIMEOUT_MS,
      heartbeatIntervalMs: Math.min(MAX_HEARTBEAT_INTERVAL_MS, this.sessionTimeoutMs / 4),
    };
    this.membership = new Membership(cluster, membershipOptions, this, signal);
    this.membership.run().catch(this.fail);
    void this.commitPeriodically();
  }

  get paused(): boolean {
    return this.isPaused;
  }

  set paused(paused: boolean) {
    this.isPaused = paused;
    if (!paused) for (const queue of this.queues.values()) this.startProcessing(queue);
  }

  readonly fetchAgeMs = (): number => {
    // A paused consumer does not fetch once its queues are full. Its heartbeats show that the brokers respond.
    const heartbeatAgeMs = this.membership.heartbeatAgeMs();
    if (this.queues.size === 0 || this.isPaused) return heartbeatAgeMs;
    const nowMs = performance.now();
    let oldest = 0;
    for (const { isFull, respondedAtMs } of this.queues.values())
      oldest = Math.max(oldest, isFull ? heartbeatAgeMs : nowMs - respondedAtMs);
    return oldest;
  };

  readonly assigned = (): readonly TopicPartition[] =>
    [...this.queues.values()].map(({ topicPartition }) => topicPartition);

  readonly positions = (): readonly ConsumerPosition[] =>
    [...this.queues.values()].map(({ topicPartition, processedOffset, highWatermark }) => ({
      ...topicPartition,
      processed: processedOffset,
      end: Math.max(processedOffset, highWatermark),
    }));

  /** A new queue: what the old one has fetched, delivered or in flight is discarded. */
  readonly seek = (topicPartition: TopicPartition, offset: number): void => {
    const key = partitionKey(topicPartition);
    const old = this.queues.get(key);
    if (!old?.isOwned) return;
    old.isOwned = false;
    this.queues.set(key, new PartitionQueue(old.topicPartition, offset, old.committedOffset, old.maxBytes));
    this.fetchLoop.wake();
  };

  readonly owned = (): readonly string[] => [...this.queues.keys()];

  readonly onAssigned = async (partitions: readonly TopicPartition[]): Promise<void> => {
    const added = partitions.filter((each) => !this.queues.has(partitionKey(each)));
    if (added.length > 0) {
      const { group, maxBytesPerPartition = MAX_BYTES_PER_PARTITION } = this.options;
      const starts = await startOffsets(this.cluster, group, added, this.closing.signal);
      for (const each of added) {
        const { start, committed } = starts.get(partitionKey(each))!;
        this.queues.set(partitionKey(each), new PartitionQueue(each, start, committed, maxBytesPerPartition));
      }
      this.logger.info({ group, added: added.length, owned: this.queues.size }, "partitions assigned");
      this.options.onAssigned?.(added);
    }
    this.fetchLoop.wake();
  };

  readonly onRevoked = async (keys: readonly string[]): Promise<void> => {
    const queues = keys.flatMap((key) => this.queues.get(key) ?? []);
    for (const queue of queues) queue.isOwned = false;
    const handlers = keys.flatMap((key) => this.inFlight.get(key) ?? []);
    await settlesWithin(Promise.all(handlers), REVOKE_TIMEOUT_MS);
    await this.commit(queues);
    this.removeQueues(queues);
  };

  readonly onLost = (): void => {
    const queues = [...this.queues.values()];
    for (const queue of queues) queue.isOwned = false;
    this.removeQueues(queues);
  };

  close(): Promise<void> {
    this.closed ??= this.stop().then(() => this.ending.resolve());
    return this.closed;
  }

  private removeQueues(queues: readonly PartitionQueue[]): void {
    for (const { topicPartition } of queues) this.queues.delete(partitionKey(topicPartition));
    if (queues.length > 0) this.options.onRevoked?.(queues.map(({ topicPartition }) => topicPartition));
  }

  /** Calls `onBatch` before it returns, unless the partition's last batch or the limit of concurrency prevents it. */
  private readonly startProcessing = (queue: PartitionQueue): void => {
    const { key } = queue;
    if (this.inFlight.has(key) || !this.mayProcess(queue)) return;
    const handler = this.process(queue)
      .catch(this.fail)
      .then(() => {
        this.inFlight.delete(key);
        // This member may have got the partition again meanwhile, with a new queue. A queue that it does not own is
        // left alone: starting it again would loop and block this process.
        const current = this.queues.get(key);
        if (current) this.startProcessing(current);
      });
    this.inFlight.set(key, handler);
  };

  private mayProcess(queue: PartitionQueue): boolean {
    return !queue.isEmpty && queue.isOwned && !this.isPaused && !this.closing.signal.aborted;
  }

  private async process(queue: PartitionQueue): Promise<void> {
    while (this.mayProcess(queue)) await this.concurrency.run(() => this.processAll(queue));
  }

  /** Processes what is in the queue now as one batch. */
  private async processAll(queue: PartitionQueue): Promise<void> {
    const { isFull } = queue;
    const { records, next, highWatermark } = queue.takeAll();
    if (isFull) this.fetchLoop.wake();
    const batch = { ...queue.topicPartition, records, highWatermark, isCurrent: () => queue.isOwned };
    if (records.length === 0 || (await this.deliver(queue, batch))) queue.processedOffset = next;
  }

  /** Delivers a batch until `onBatch` resolves. @returns false when the partition was revoked before that. */
  private async deliver(queue: PartitionQueue, batch: Batch): Promise<boolean> {
    if (!queue.isOwned || !this.isConfirmedMember()) return this.redeliver(queue, batch);
    try {
      await this.options.onBatch(batch);
      return true;
    } catch (error) {
      return this.redeliver(queue, batch, { error });
    }
  }

  /** @param failure of the first delivery; without it there was none. */
  private async redeliver(
    queue: PartitionQueue,
    batch: Batch,
    failure?: { readonly error: unknown },
  ): Promise<boolean> {
    const outage = new Outage(this.logger, "a batch failed; delivering it again", "the batch succeeded");
    const options = {
      ...REDELIVERY,
      what: `processing a batch of ${queue.key}`,
      timeoutMs: Number.POSITIVE_INFINITY,
      signal: this.closing.signal,
      shouldRetry: () => true,
      onRetry: (error: unknown) => outage.failed(error, { ...queue.topicPartition }),
    };
    let first = failure;
    try {
      return await retry(options, async () => {
        const failed = first;
        first = undefined;
        if (failed) throw failed.error;
        if (!(await this.isConfirmedOwner(queue))) return false;
        await this.options.onBatch(batch);
        outage.ended({ ...queue.topicPartition });
        return true;
      });
    } catch (error) {
      if (this.closing.signal.aborted) return false;
      throw error;
    }
  }

  /** False after a session timeout without a heartbeat: other members may own the partitions. */
  private isConfirmedMember(): boolean {
    return this.membership.heartbeatAgeMs() <= this.sessionTimeoutMs;
  }

  /** Waits until the coordinator confirms the membership. */
  private async isConfirmedOwner(queue: PartitionQueue): Promise<boolean> {
    const { signal } = this.closing;
    while (queue.isOwned && !this.isConfirmedMember() && !signal.aborted) await sleep(20);
    return queue.isOwned && !signal.aborted;
  }

  private async commitPeriodically(): Promise<void> {
    while (!this.closing.signal.aborted) {
      await sleepUnlessAborted(COMMIT_INTERVAL_MS, this.closing.signal);
      await this.commit([...this.queues.values()]);
    }
  }

  private async commit(queues: readonly PartitionQueue[]): Promise<void> {
    const { group } = this.options;
    try {
      await commitOffsets(this.cluster, group, this.membership.currentGeneration, queues);
    } catch (error) {
      // The next commit includes these offsets. If there is none, the next owner processes their records again.
      this.logger.debug({ err: error, group }, "cannot commit offsets; retrying with the next commit");
    }
  }

  private readonly reportGap = ({ topicPartition }: PartitionQueue, from: number, to: number): void => {
    this.logger.warn({ ...topicPartition, from, to }, "records were deleted before this group read them");
    this.options.onGap?.(topicPartition, from, to);
  };

  private readonly fail = (error: unknown): void => {
    if (this.closing.signal.aborted) return;
    this.ending.reject(error);
    void this.stop();
  };

  private async stop(): Promise<void> {
    this.closing.abort(new Error("the consumer is closed"));
    await this.onRevoked(this.owned());
    await this.membership.leave();
    this.fetchLoop.close();
  }
}
