/** Verification by itself at a set pace: an operator sees a difference before a user does. */
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Verified } from "../verify/verify.ts";

export class PeriodicVerification {
  private readonly ending = new AbortController();
  private readonly running: Promise<void>;

  /**
   * @param everyMs from the end of one verification to the start of the next.
   * @param verify compares everything once; rejects when something that it needs is away.
   */
  constructor(
    private readonly using: { readonly logger: Logger; readonly metrics: Metrics; readonly everyMs: number },
    private readonly verify: (signal: AbortSignal) => Promise<readonly Verified[]>,
  ) {
    this.running = this.run();
  }

  async stop(): Promise<void> {
    this.ending.abort(new Error("stopping"));
    await this.running;
  }

  private async run(): Promise<void> {
    const { signal } = this.ending;
    while (await this.rest()) {
      try {
        for (const verified of await this.verify(signal)) this.tell(verified);
      } catch (error) {
        if (!signal.aborted) this.using.logger.warn({ err: error }, "not verified this time");
      }
    }
  }

  /** @returns false when it is time to stop. */
  private rest(): Promise<boolean> {
    const { signal } = this.ending;
    if (signal.aborted) return Promise.resolve(false);
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        signal.removeEventListener("abort", wake);
        resolve(!signal.aborted);
      };
      const timer = setTimeout(wake, this.using.everyMs);
      signal.addEventListener("abort", wake);
    });
  }

  private tell({ entity, replica, rows, seconds, differences, behind }: Verified): void {
    const { logger, metrics } = this.using;
    metrics.divergentRows.set({ replica }, differences.length);
    metrics.verifiedAt.set({ replica }, Date.now() / 1_000);
    const told = { entity, replica, rows, seconds, behind };
    if (differences.length === 0) logger.info(told, "verified");
    else
      logger.error(
        { ...told, differing: differences.length, first: differences.slice(0, 5) },
        "a replica differs from the source: lockstep repair",
      );
  }
}
