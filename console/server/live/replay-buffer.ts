/** Keeps the last events of a stream, so that a client that reconnects gets the events it missed. In memory only. */

/** An event as it was sent. */
export interface SentEvent {
  /** Counts from 1 without gaps. */
  readonly number: number;
  readonly event: string;
  readonly data: unknown;
}

/** Ring buffer of numbered events. */
export class ReplayBuffer {
  private readonly events: SentEvent[] = [];
  private lastNumber = 0;

  /** @param maxEvents events that are kept; the oldest are discarded first. */
  constructor(private readonly maxEvents: number) {}

  /** Number of the newest event; 0 before the first. */
  get newest(): number {
    return this.lastNumber;
  }

  /** Adds an event and gives it the next number. */
  push(event: string, data: unknown): SentEvent {
    const sent = { number: ++this.lastNumber, event, data };
    this.events.push(sent);
    if (this.events.length > this.maxEvents) this.events.shift();
    return sent;
  }

  /** The events after `number`; undefined when one of them was discarded, or `number` was never used. */
  after(number: number): readonly SentEvent[] | undefined {
    const oldest = this.lastNumber - this.events.length;
    if (!Number.isInteger(number) || number > this.lastNumber || number < oldest) return undefined;
    return this.events.slice(this.events.length - (this.lastNumber - number));
  }
}
