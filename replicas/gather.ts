/**
 * Work that arrives while other work is being done is done together, next. At 1,000 events a second over twelve partitions a
 * statement for each partition's few events would cost more than the events themselves.
 */

interface Waiting<T> {
  readonly items: readonly T[];
  readonly done: PromiseWithResolvers<void>;
}

export class Gather<T> {
  private queue: Waiting<T>[] = [];
  private working = false;

  /**
   * @param work does all of the items or rejects. Never called twice at a time.
   * @param max items at a time; a larger parcel is not divided.
   * @param isOfOne tells from an error whether it may be about one parcel only: then each is tried alone.
   */
  constructor(
    private readonly work: (items: readonly T[]) => Promise<void>,
    private readonly max: number,
    private readonly isOfOne: (error: unknown) => boolean,
  ) {}

  /** Resolves when these items are done. @throws what the work said about them, not about those of others. */
  add(items: readonly T[]): Promise<void> {
    const done = Promise.withResolvers<void>();
    this.queue.push({ items, done });
    if (!this.working) void this.drain();
    return done.promise;
  }

  private async drain(): Promise<void> {
    this.working = true;
    while (this.queue.length > 0) await this.together(this.next());
    this.working = false;
  }

  private next(): Waiting<T>[] {
    let count = 0;
    const end = this.queue.findIndex(({ items }, i) => {
      count += items.length;
      return i > 0 && count > this.max;
    });
    return this.queue.splice(0, end < 0 ? this.queue.length : end);
  }

  private async together(parcels: readonly Waiting<T>[]): Promise<void> {
    try {
      await this.work(parcels.flatMap(({ items }) => items));
      for (const { done } of parcels) done.resolve();
    } catch (error) {
      if (parcels.length > 1 && this.isOfOne(error)) for (const parcel of parcels) await this.together([parcel]);
      else for (const { done } of parcels) done.reject(error);
    }
  }
}
