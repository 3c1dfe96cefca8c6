/**
 * Combines items that arrive at the same time into one unit of work: one SQL statement for many writes, one apply for
 * many partitions. An idle batcher starts each item at once; items that arrive while work is in progress form the next
 * batch.
 *
 * Items share nothing but the work. When the work fails and one item may be the cause, the batcher runs each item of
 * the batch again on its own ("isolated"), so that the error reaches only the caller whose item caused it.
 *
 * States of an item, until its caller has a result:
 * - queued: waits for its turn, or for an earlier item with the same key.
 * - batched: in progress with other items.
 * - isolated: in progress alone, after its batch failed.
 */

/** Limits of a {@link Batcher}, and what it needs to know about items. */
export interface BatcherOptions<Item> {
  /** Batches in progress at the same time. */
  readonly concurrency: number;
  /** Isolated items in progress at the same time, in addition to the batches. 0: they count as batches. */
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

/** Combines concurrent items into batches; see the top of this file. */
export class Batcher<Item, Result> {
  private readonly queue: Entry<Item, Result>[] = [];
  private readonly isolated: Entry<Item, Result>[] = [];
  /** Keys in progress or isolated: a later item with such a key must see the result of the earlier one. */
  private readonly busyKeys = new Set<string>();
  private runningBatches = 0;
  private runningIsolated = 0;

  /**
   * @param work processes items, all or none, and returns their results in the same order. `isolated` is true for an
   * item that runs alone because its batch failed.
   */
  constructor(
    private readonly work: (items: readonly Item[], isolated: boolean) => Promise<readonly Result[]>,
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
    if (this.queue.length >= maxQueued)
      return Promise.reject(this.overloadError(`${maxQueued} requests are already queued`));
    const entry = { item, queuedAt: performance.now(), ...Promise.withResolvers<Result>() };
    this.queue.push(entry);
    this.startNext();
    return entry.promise;
  }

  /** Number of items that wait for their turn. */
  get queued(): number {
    return this.queue.length + this.isolated.length;
  }

  /** Starts what the limits allow. */
  private startNext(): void {
    while (this.isolated.length > 0 && this.mayStartIsolated()) void this.runIsolated(this.isolated.shift()!);
    while (this.queue.length > 0 && this.mayStartBatch()) {
      const batch = this.takeBatch();
      if (batch.length === 0) return;
      void this.runBatch(batch);
    }
  }

  private mayStartIsolated(): boolean {
    const { concurrency, isolatedConcurrency } = this.options;
    return isolatedConcurrency > 0
      ? this.runningIsolated < isolatedConcurrency
      : this.runningBatches + this.runningIsolated < concurrency;
  }

  private mayStartBatch(): boolean {
    const { concurrency, isolatedConcurrency } = this.options;
    return this.runningBatches + (isolatedConcurrency > 0 ? 0 : this.runningIsolated) < concurrency;
  }

  private async runBatch(batch: readonly Entry<Item, Result>[]): Promise<void> {
    this.runningBatches++;
    try {
      const results = await this.work(
        batch.map(({ item }) => item),
        false,
      );
      for (const [i, entry] of batch.entries()) this.settle(entry, () => entry.resolve(results[i]!));
    } catch (error) {
      if (this.shouldIsolate(batch, error)) this.isolated.push(...batch);
      else for (const entry of batch) this.settle(entry, () => entry.reject(error));
    } finally {
      this.runningBatches--;
      this.startNext();
    }
  }

  private async runIsolated(entry: Entry<Item, Result>): Promise<void> {
    this.runningIsolated++;
    try {
      if (this.isExpired(entry)) throw this.expiredError();
      const [result] = await this.work([entry.item], true);
      this.settle(entry, () => entry.resolve(result!));
    } catch (error) {
      this.settle(entry, () => entry.reject(error));
    } finally {
      this.runningIsolated--;
      this.startNext();
    }
  }

  /** With separate limits even a batch of one is isolated: isolated work may wait longer, for a lock for example. */
  private shouldIsolate(batch: readonly Entry<Item, Result>[], error: unknown): boolean {
    return (batch.length > 1 || this.options.isolatedConcurrency > 0) && this.options.isIsolatable(error);
  }

  private settle({ item }: Entry<Item, Result>, respond: () => void): void {
    const { keyOf } = this.options;
    if (keyOf) this.busyKeys.delete(keyOf(item));
    respond();
  }

  /** Takes the oldest items, each key once, sorted by key: two statements that lock the same rows cannot deadlock. */
  private takeBatch(): Entry<Item, Result>[] {
    const { maxItems = Number.POSITIVE_INFINITY, maxSize, sizeOf, keyOf } = this.options;
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
