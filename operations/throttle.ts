/** Work in small portions with rests between them, so that whoever else uses the servers hardly notices. */
import { setTimeout as sleep } from "node:timers/promises";

/** Longest rest at a time, in milliseconds: a portion that took long for a reason of its own is not paid for many times over. */
const LONGEST_MS = 5_000;

export class Throttle {
  private began = performance.now();

  /**
   * @param share part of the time that is spent working, above 0 up to 1.
   * @param signal ends a rest, and the work.
   */
  constructor(
    private readonly share: number,
    private readonly signal: AbortSignal,
  ) {}

  /** Called after each portion of work: rests as long as the share asks for. @throws the signal's reason once it is aborted. */
  async rest(): Promise<void> {
    const worked = performance.now() - this.began;
    const restMs = Math.min(LONGEST_MS, worked / this.share - worked);
    if (restMs > 0) await sleep(restMs, undefined, { signal: this.signal }).catch(() => {});
    this.signal.throwIfAborted();
    this.began = performance.now();
  }
}
