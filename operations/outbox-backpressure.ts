/** Keeps what operations send from standing in the outbox before what clients write. */

import { UserError } from "../contracts/errors.ts";
import type { Sql } from "../platform/postgres/connect.ts";

const ASK_EVERY_MS = 20;
/** An outbox that has not got shorter for so long has a relay or a log that does not work. */
const GIVE_UP_MS = 60_000;

/** The outbox stands still, so nothing more is put into it. What was sent stays sent. */
export class OutboxStuckError extends UserError {
  constructor(depth: number) {
    super(
      `${depth} changes or more wait in the outbox and do not get fewer: look at the relay and the log, then run this again`,
      "OUTBOX_STUCK",
    );
  }
}

/**
 * Resolves when fewer than `most` changes wait in the outbox, or `signal` is aborted.
 *
 * @throws {OutboxStuckError} @throws when the source does not answer.
 */
export async function waitForOutbox(source: Sql, max: number, signal: AbortSignal): Promise<void> {
  let fewest = Number.POSITIVE_INFINITY;
  let since = performance.now();
  while (!signal.aborted) {
    // Counting stops a little above: a long outbox is counted no further than it takes to see it getting shorter.
    const [row] = await source<{ depth: number }[]>`
      select count(*)::int as depth from (select from lockstep.outbox limit ${max * 100}) as bounded`;
    const { depth } = row!;
    if (depth < max) return;
    if (depth < fewest) {
      fewest = depth;
      since = performance.now();
    } else if (performance.now() - since > GIVE_UP_MS) throw new OutboxStuckError(depth);
    await Bun.sleep(ASK_EVERY_MS);
  }
}
