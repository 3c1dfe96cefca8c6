/** Logs an operation that keeps failing without flooding the log. */
import type { Logger } from "./logger.ts";

const REMINDER_MS = 60_000;

/**
 * One operation and its failures in a row. The first failure is a warning, and so is one failure per minute after it;
 * the others are logged at `debug`. The next success logs the end of the outage.
 */
export class Outage {
  private sinceMs: number | undefined;
  private lastWarningMs = 0;
  private attempts = 0;

  /**
   * @param failing log message while the operation fails.
   * @param over log message when it succeeds again.
   */
  constructor(
    private readonly logger: Pick<Logger, "info" | "warn" | "debug">,
    private readonly failing: string,
    private readonly over: string,
  ) {}

  /** Records a failure. @param details additional log fields. */
  failed(error: unknown, details: Readonly<Record<string, unknown>> = {}): void {
    const now = performance.now();
    this.sinceMs ??= now;
    this.attempts++;
    const isRepetition = this.attempts > 1 && now - this.lastWarningMs < REMINDER_MS;
    if (!isRepetition) this.lastWarningMs = now;
    this.logger[isRepetition ? "debug" : "warn"]({ err: error, ...details, attempts: this.attempts }, this.failing);
  }

  /** Records a success. @param details additional log fields. */
  ended(details: Readonly<Record<string, unknown>> = {}): void {
    if (this.sinceMs === undefined) return;
    const afterMs = Math.round(performance.now() - this.sinceMs);
    this.logger.info({ ...details, afterMs, attempts: this.attempts }, this.over);
    this.sinceMs = undefined;
    this.attempts = 0;
  }
}
