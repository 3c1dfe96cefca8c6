/** A value that is read again only when it is older than a limit. */
export class RecentValue<T> {
  private value: { readonly at: number; readonly read: T } | undefined;

  constructor(private readonly maxAgeMs: number) {}

  /** The last value, or what `read` returns. A read that fails is not remembered. */
  async get(read: () => Promise<T>): Promise<T> {
    if (this.value && performance.now() - this.value.at < this.maxAgeMs) return this.value.read;
    const value = { at: performance.now(), read: await read() };
    this.value = value;
    return value.read;
  }
}
