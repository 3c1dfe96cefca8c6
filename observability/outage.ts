/** Something that fails again and again is told once, and once more each minute while it lasts; and that it is over. */
import type { Logger } from "./logger.ts";

const REMIND_MS = 60_000;

export class Outage {
  private sinceMs: number | undefined;
  private toldMs = 0;
  private attempts = 0;

  /** @param failing what is wrong, @param over that it is right again: messages, for people. */
  constructor(
    private readonly logger: Pick<Logger, "info" | "warn" | "debug">,
    private readonly failing: string,
    private readonly over: string,
  ) {}

  /** It failed. @param details what else to say of it. */
  failed(error: unknown, details: Readonly<Record<string, unknown>> = {}): void {
    const now = performance.now();
    this.sinceMs ??= now;
    this.attempts++;
    const silent = this.attempts > 1 && now - this.toldMs < REMIND_MS;
    if (!silent) this.toldMs = now;
    this.logger[silent ? "debug" : "warn"]({ err: error, ...details, attempts: this.attempts }, this.failing);
  }

  /** It works. Says so if it did not before. */
  ended(details: Readonly<Record<string, unknown>> = {}): void {
    if (this.sinceMs === undefined) return;
    const afterMs = Math.round(performance.now() - this.sinceMs);
    this.logger.info({ ...details, afterMs, attempts: this.attempts }, this.over);
    this.sinceMs = undefined;
    this.attempts = 0;
  }
}
