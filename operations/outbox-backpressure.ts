/**
 * Backpressure from the outbox: an operation adds changes only while the outbox is short, so clients' writes do not
 * queue behind them.
 */
import { UserError } from "../contracts/errors.ts";
import { sleepUnlessAborted } from "../platform/async/sleep.ts";
import type { Sql } from "../platform/postgres/connect.ts";

const POLL_MS = 20;
/** An outbox that has not become shorter for this long has a relay or a log that does not work. */
const STALLED_MS = 60_000;

/** The outbox does not become shorter, so the operation stops. Changes that it sent before stay sent. */
export class OutboxStuckError extends UserError {
  constructor(depth: number) {
    super(
      `the outbox holds at least ${depth} changes and has not become shorter for ${STALLED_MS / 1_000} s: ` +
        "check the relay and the log, then run this command again",
      "OUTBOX_STUCK",
    );
  }
}

/**
 * Resolves when the outbox holds fewer than `max` changes, or `signal` is aborted.
 *
 * @throws {OutboxStuckError} when the outbox has not become shorter for 60 s.
 * @throws {Error} when the source is unavailable.
 */
export async function waitForOutbox(source: Sql, max: number, signal: AbortSignal): Promise<void> {
  let minDepth = Number.POSITIVE_INFINITY;
  let minDepthAt = performance.now();
  while (!signal.aborted) {
    // The count has a limit: it only has to show that a long outbox becomes shorter.
    const [row] = await source<{ depth: number }[]>`
      select count(*)::int as depth from (select from lockstep.outbox limit ${max * 100}) as bounded`;
    const { depth } = row!;
    if (depth < max) return;
    if (depth < minDepth) {
      minDepth = depth;
      minDepthAt = performance.now();
    } else if (performance.now() - minDepthAt > STALLED_MS) throw new OutboxStuckError(depth);
    await sleepUnlessAborted(POLL_MS, signal);
  }
}
