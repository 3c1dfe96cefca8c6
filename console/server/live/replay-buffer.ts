/** The last events of a stream, so that a client that was cut off goes on where it was. Pure but for its own memory. */

export interface Sent {
  /** From 1, without gaps. */
  readonly number: number;
  readonly event: string;
  readonly data: unknown;
}

export class Ring {
  private readonly kept: Sent[] = [];
  private last = 0;

  /** @param max events that are kept; older ones go first. */
  constructor(private readonly max: number) {}

  /** Number of the newest event; 0 when there was none. */
  get newest(): number {
    return this.last;
  }

  push(event: string, data: unknown): Sent {
    const sent = { number: ++this.last, event, data };
    this.kept.push(sent);
    if (this.kept.length > this.max) this.kept.shift();
    return sent;
  }

  /** What came after event `number`; undefined when some of it is no longer kept, or it never was. */
  after(number: number): readonly Sent[] | undefined {
    if (!Number.isInteger(number) || number > this.last || number < this.last - this.kept.length) return undefined;
    return this.kept.slice(this.kept.length - (this.last - number));
  }
}
