/** Notices when the gateway answers writes with errors of its own: the condition `writes-failing`. */
import { policy, RequestError } from "../contracts/errors.ts";
import type { Check } from "../platform/service.ts";

/** How long a failed write counts, in milliseconds. */
const REMEMBERED_MS = 10_000;

/** Counts the failed writes since the last one that succeeded. */
export class WriteOutcomes {
  private failures = 0;
  private lastFailureMs = Number.NEGATIVE_INFINITY;
  private lastReason = "";

  /** Present while a write has failed in the last 10 s and none has succeeded since. */
  readonly check: Check = {
    condition: "writes-failing",
    blocksReadiness: false,
    problem: () =>
      this.failures === 0 || performance.now() - this.lastFailureMs > REMEMBERED_MS
        ? undefined
        : `${this.failures} writes in a row have failed; the last one: ${this.lastReason}`,
  };

  /** A write is committed. */
  succeeded(): void {
    this.failures = 0;
  }

  /** A write was answered with this error. An error of the client says nothing about the gateway. */
  failed(error: unknown): void {
    if (error instanceof RequestError && policy[error.code].http < 500) return;
    this.failures++;
    this.lastFailureMs = performance.now();
    // The text of an unexpected error may contain values of a row.
    this.lastReason = error instanceof RequestError ? error.message : "an internal error, see the log";
  }
}
