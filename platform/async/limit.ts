/** A limit on how many operations run at the same time. */
export class ConcurrencyLimit {
  private readonly queue: (() => void)[] = [];

  /** @param free how many operations may run at the same time. */
  constructor(private free: number) {}

  /** Runs `work` as soon as the limit allows it, in the order of the calls. @throws whatever `work` throws. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.free > 0) this.free--;
    else await new Promise<void>((resolve) => this.queue.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.queue.shift();
      if (next) next();
      else this.free++;
    }
  }
}
