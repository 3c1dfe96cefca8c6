/** Waits until a system without new writes has applied all earlier ones. */
import { NotYetError, waitFor } from "../../stack/wait-for.ts";
import type { Databases } from "./databases.ts";

/** Time without changes after which a system counts as idle, in milliseconds. */
const IDLE_MS = 400;
const WAIT = { timeoutMs: 180_000, intervalMs: 100 };

/**
 * Resolves when the outbox is empty and no replica's database has written anything for {@link IDLE_MS}. Uses cheap
 * queries only, because the measurement is still in progress.
 *
 * @throws {UserError} when that does not happen within 180 s.
 */
export async function waitUntilIdle({ source, replicas }: Databases): Promise<void> {
  let lastPositions = "";
  let idleSince = performance.now();
  await waitFor("the stack to apply all writes", WAIT, async () => {
    const [outbox] = await source.sql<{ pending: boolean }[]>`
      select exists (select from lockstep.outbox) as pending`;
    const rows = await Promise.all(replicas.map(({ sql }) => sql`select pg_current_wal_insert_lsn()::text as lsn`));
    const positions = JSON.stringify(rows);
    if (outbox?.pending || positions !== lastPositions) idleSince = performance.now();
    lastPositions = positions;
    if (performance.now() - idleSince <= IDLE_MS)
      throw new NotYetError(outbox?.pending ? "the outbox is not empty" : "a replica still writes to its database");
  });
}
