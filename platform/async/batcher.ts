/**
 * Combines items that arrive at the same time into one unit of work: one SQL statement for many writes, one apply for
 * many partitions. An idle batcher starts each item at once, or all items of a turn of the event loop together; items
 * that arrive while work is in progress form the next batch.
 *
 * Items share nothing but the work. When the work fails and one item may be the cause, the batcher runs the halves of
 * the batch, then their halves, until the error reaches only the caller whose item caused it. While items are rejected
 * often, batches are smaller and several run at the same time, so that few items pay for the rejected ones.
 *
 * A batch that takes long, for example because a trigger of one row is slow, does not delay the following ones.
 *
 * States of an item, until its caller has a result:
 * - queued: waits for its turn, or for an earlier item with the same key.
 * - in a batch: in progress, with other items or as the only one.
 * - in a part: waits or is in progress with a part of its batch, which failed.
 * - alone: waits or is in progress by itself, because it has to wait for a lock.
 */

/** How the items of a unit of work came together; see the states at the top of this file. */
export type WorkMode = "batch" | "part" | "alone";

/** Limits of a {@link Batcher}, and what it needs to know about items. */
export interface BatcherOptions<Item> {
  /** Batches in progress at the same time. */
  readonly concurrency: number;
  /** Parts of failed batches in progress at the same time, in addition to the batches. 0: they count as batches. */
  readonly isolatedConcurrency: number;
  /** Items in one batch. Default: no limit. */
  readonly maxItems?: number;
  /** Total size of a batch, in the unit of `sizeOf`. A larger item forms a batch of one. */
  readonly maxSize: number;
  readonly sizeOf: (item: Item) => number;
  /** Items with the same key never run at the same time, and a batch is sorted by key. Default: no keys. */
  readonly keyOf?: (item: Item) => string;
  /** True for an error that undid the whole work and may be caused by a single item. */
  readonly isIsolatable: (error: unknown) => boolean;
  /** True for such an error after which the item runs once more, alone. One item at a time does. Default: none. */
  readonly shouldRunAlone?: (error: unknown) => boolean;
  /** True: an idle batcher starts the items of one turn of the event loop together. Default: each item at once. */
  readonly gathersTurn?: boolean;
  /**
   * While items come at this rate or faster, the oldest one waits for others before its batch starts. Default: never.
   */
  readonly gather?: { readonly minPerSecond: number; readonly maxMs: number };
  /** Queued items; more are rejected. Default: no limit. */
  readonly maxQueued?: number;
  /** Longest time in the queue, in milliseconds. Default: no limit. */
  readonly timeoutMs?: number;
  /**
   * Makes the error of an item that the batcher rejects without starting it. Required with `maxQueued` or `timeoutMs`.
   */
  readonly overloadError?: (message: string) => Error;
}

interface Entry<Item, Result> extends PromiseWithResolvers<Result> {
  readonly item: Item;
  readonly queuedAt: number;
}

/** Weight of one more item in the share of rejected items: the share is that of the last hundred items or so. */
const SHARE_WEIGHT = 0.02;
/** Rejected items that a batch may contain on average. With more, most batches fail and are split. */
const MAX_REJECTED_PER_BATCH = 0.5;
/** Several batches run at the same time while batches are limited to fewer items than this. */
const MAX_SMALL_BATCH = 10;

/** The rate of items is the mean of about this time, in milliseconds. */
const RATE_WINDOW_MS = 250;

/** Time after which a batch is slow, in milliseconds: the next batch starts beside it. */
const SLOW_MS = 250;

/** Combines concurrent items into batches; see the top of this file. */
export class Batcher<Item, Result> {
  private readonly queue: Entry<Item, Result>[] = [];
  private readonly parts: Entry<Item, Result>[][] = [];
  private readonly alone: Entry<Item, Result>[] = [];
  /** Keys in progress, or in a part, or alone: a later item with such a key must see the result of the earlier one. */
  private readonly busyKeys = new Set<string>();
  private readonly running: Record<WorkMode, number> = { batch: 0, part: 0, alone: 0 };
  /** When the batches in progress started. */
  private readonly started = new Set<{ readonly atMs: number }>();
  private slowTimer: Timer | undefined;
  private isGathering = false;
  private gatherTimer: Timer | undefined;
  /** Items so far. Each counts less as time passes: 1/e after {@link RATE_WINDOW_MS}. */
  private recent = 0;
  private addedAtMs = Number.NEGATIVE_INFINITY;
  /** When the last batch was taken, and how long half of its items had waited. */
  private taken = { atMs: 0, waitMs: 0 };
  /** Share of recent items that were rejected, from 0 to 1. */
  private rejectedShare = 0;

  /**
   * @param work processes items, all or none, and returns their results in the same order.
   */
  constructor(
    private readonly work: (items: readonly Item[], mode: WorkMode) => Promise<readonly Result[]>,
    private readonly options: BatcherOptions<Item>,
  ) {}

  /**
   * Resolves with the result of this item.
   *
   * @throws {Error} `overloadError` when the queue is full or the item waited too long; and whatever `work` throws
   * about it.
   */
  add(item: Item): Promise<Result> {
    const { maxQueued = Number.POSITIVE_INFINITY } = this.options;
    if (this.queued >= maxQueued) return Promise.reject(this.overloadError(`${maxQueued} requests are already queued`));
    const entry = { item, queuedAt: performance.now(), ...Promise.withResolvers<Result>() };
    this.queue.push(entry);
    if (this.options.gather) this.countRecent(entry.queuedAt);
    if (this.options.gathersTurn) this.startAfterTurn();
    else this.startNext();
    return entry.promise;
  }

  private startAfterTurn(): void {
    if (this.isGathering) return;
    this.isGathering = true;
    setImmediate(() => {
      this.isGathering = false;
      this.startNext();
    });
  }

  /** Number of items that wait for their turn. */
  get queued(): number {
    return this.queue.length + this.parts.reduce((sum, { length }) => sum + length, 0) + this.alone.length;
  }

  /**
   * How long items wait for their turn, in milliseconds: the median of the last batch, or the time since that batch was
   * taken. Items that wait for an earlier item with the same key do not count.
   */
  get queueTimeMs(): number {
    if (this.queue.length === 0) return 0;
    return Math.max(this.taken.waitMs, performance.now() - this.taken.atMs);
  }

  /** Starts what the limits allow. */
  private startNext(): void {
    while (this.alone.length > 0 && this.running.alone === 0) this.runUnexpired([this.alone.shift()!], "alone");
    while (this.parts.length > 0 && this.mayStartPart()) this.runUnexpired(this.parts.shift()!, "part");
    while (this.queue.length > 0 && this.mayStartBatch() && !this.isGatheringItems()) {
      const batch = this.takeBatch();
      if (batch.length === 0) return;
      void this.run(batch, "batch");
    }
    if (this.queue.length > 0 && this.options.isolatedConcurrency > 0)
      this.slowTimer ??= setTimeout(() => {
        this.slowTimer = undefined;
        this.startNext();
      }, SLOW_MS);
  }

  /** True while the oldest item waits for others. The batch then starts by a timer. */
  private isGatheringItems(): boolean {
    const { gather } = this.options;
    if (!gather || this.queue.length >= this.maxItems) return false;
    if (this.recent * (1_000 / RATE_WINDOW_MS) < gather.minPerSecond) return false;
    const waitMs = this.queue[0]!.queuedAt + gather.maxMs - performance.now();
    if (waitMs <= 0) return false;
    this.gatherTimer ??= setTimeout(() => {
      this.gatherTimer = undefined;
      this.startNext();
    }, waitMs);
    return true;
  }

  private countRecent(nowMs: number): void {
    this.recent = this.recent * Math.exp((this.addedAtMs - nowMs) / RATE_WINDOW_MS) + 1;
    this.addedAtMs = nowMs;
  }

  private mayStartPart(): boolean {
    const { concurrency, isolatedConcurrency } = this.options;
    return isolatedConcurrency > 0
      ? this.running.part < isolatedConcurrency
      : this.running.batch + this.running.part < concurrency;
  }

  /** Smaller batches, and those after a slow one, also take the turns of parts. */
  private mayStartBatch(): boolean {
    const { concurrency, isolatedConcurrency } = this.options;
    const { batch, part } = this.running;
    if (isolatedConcurrency === 0) return batch + part < concurrency;
    if (batch < concurrency) return true;
    const slowSinceMs = performance.now() - SLOW_MS;
    const quick = [...this.started].filter(({ atMs }) => atMs > slowSinceMs).length;
    return (quick < concurrency || this.maxItems < MAX_SMALL_BATCH) && batch + part < concurrency + isolatedConcurrency;
  }

  private runUnexpired(entries: readonly Entry<Item, Result>[], mode: WorkMode): void {
    const unexpired = entries.filter((entry) => !this.isExpired(entry));
    for (const entry of entries)
      if (!unexpired.includes(entry)) this.settle(entry, () => entry.reject(this.expiredError()));
    if (unexpired.length > 0) void this.run(unexpired, mode);
  }

  private async run(entries: readonly Entry<Item, Result>[], mode: WorkMode): Promise<void> {
    this.running[mode]++;
    const start = { atMs: performance.now() };
    if (mode === "batch") this.started.add(start);
    try {
      const results = await this.work(
        entries.map(({ item }) => item),
        mode,
      );
      for (const [i, entry] of entries.entries()) {
        this.countItem(0);
        this.settle(entry, () => entry.resolve(results[i]!));
      }
    } catch (error) {
      this.onError(entries, mode, error);
    } finally {
      this.running[mode]--;
      this.started.delete(start);
      this.startNext();
    }
  }

  private onError(entries: readonly Entry<Item, Result>[], mode: WorkMode, error: unknown): void {
    const { isIsolatable, shouldRunAlone } = this.options;
    const isItems = isIsolatable(error);
    const half = entries.length >> 1;
    if (isItems && half > 0) this.parts.push(entries.slice(0, half), entries.slice(half));
    else if (isItems && mode !== "alone" && shouldRunAlone?.(error)) this.alone.push(...entries);
    else
      for (const entry of entries) {
        if (isItems) this.countItem(1);
        this.settle(entry, () => entry.reject(error));
      }
  }

  private countItem(rejected: 0 | 1): void {
    this.rejectedShare += SHARE_WEIGHT * (rejected - this.rejectedShare);
  }

  /** Items in the next batch at most. */
  private get maxItems(): number {
    const fitting = Math.max(1, Math.floor(MAX_REJECTED_PER_BATCH / this.rejectedShare));
    return Math.min(this.options.maxItems ?? Number.POSITIVE_INFINITY, fitting);
  }

  private settle({ item }: Entry<Item, Result>, respond: () => void): void {
    const { keyOf } = this.options;
    if (keyOf) this.busyKeys.delete(keyOf(item));
    respond();
  }

  /** Takes the oldest items, each key once, sorted by key: two statements that lock the same rows cannot deadlock. */
  private takeBatch(): Entry<Item, Result>[] {
    const { maxSize, sizeOf, keyOf } = this.options;
    const { maxItems } = this;
    const batch: Entry<Item, Result>[] = [];
    const remaining: Entry<Item, Result>[] = [];
    let size = 0;
    let examined = 0;
    for (const entry of this.queue) {
      const itemSize = sizeOf(entry.item);
      if (batch.length === maxItems || (batch.length > 0 && size + itemSize > maxSize)) break;
      examined++;
      if (this.isExpired(entry)) entry.reject(this.expiredError());
      else if (keyOf && this.busyKeys.has(keyOf(entry.item))) remaining.push(entry);
      else {
        batch.push(entry);
        if (keyOf) this.busyKeys.add(keyOf(entry.item));
        size += itemSize;
      }
    }
    this.queue.splice(0, examined, ...remaining);
    const now = performance.now();
    const middle = batch[batch.length >> 1];
    this.taken = { atMs: now, waitMs: middle ? now - middle.queuedAt : 0 };
    return keyOf ? batch.sort((a, b) => (keyOf(a.item) < keyOf(b.item) ? -1 : 1)) : batch;
  }

  private isExpired({ queuedAt }: Entry<Item, Result>): boolean {
    const { timeoutMs } = this.options;
    return timeoutMs !== undefined && performance.now() - queuedAt > timeoutMs;
  }

  private expiredError(): Error {
    return this.overloadError(`the request waited in the queue for more than ${this.options.timeoutMs} ms`);
  }

  private overloadError(message: string): Error {
    return this.options.overloadError?.(message) ?? new Error(message);
  }
}
