/** Writes the canary row at an interval while this relay leads, so that there is one writer however many relays run. */
import type { Sql } from "postgres";
import { CANARY_ID } from "../contracts/canary.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import canaryText from "./canary.sql" with { type: "text" };

interface CanaryWriterDeps {
  /** Another connection than the relay's session, because a write may have to wait for a lock. */
  readonly sql: Sql;
  readonly metrics: Pick<Metrics, "canaryWrites">;
  readonly logger: Logger;
}

/** Writes until it is disposed. A failed write is counted and logged; the next one follows as usual. */
export class CanaryWriter implements Disposable {
  private isWriting = false;
  private readonly timer: Timer | undefined;

  /** @param intervalS seconds between two writes; 0 writes none. */
  constructor(
    private readonly deps: CanaryWriterDeps,
    intervalS: number,
  ) {
    if (intervalS === 0) return;
    void this.write();
    this.timer = setInterval(() => void this.write(), intervalS * 1_000);
  }

  [Symbol.dispose](): void {
    clearInterval(this.timer);
  }

  /** Skips a write while the previous one is in progress: a slow database must not get a burst of writes later. */
  private async write(): Promise<void> {
    if (this.isWriting) return;
    this.isWriting = true;
    const { sql, metrics, logger } = this.deps;
    const outcome = await sql.unsafe(canaryText, [CANARY_ID], { prepare: true }).then(
      () => "written",
      (error) => {
        logger.debug({ err: error }, "the canary was not written");
        return "failed";
      },
    );
    metrics.canaryWrites.inc({ outcome });
    this.isWriting = false;
  }
}
