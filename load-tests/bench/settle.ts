/** Waits until a stack that is written to no more has done all its work, and says whether both sides are equal. */
import type { Sql } from "postgres";
import { differences } from "./differences.ts";

export interface Sites {
  readonly source: { readonly url: string; readonly sql: Sql };
  readonly replicas: readonly { readonly name: string; readonly url: string; readonly sql: Sql }[];
}

const QUIET_MS = 400;
const POLL_MS = 100;
/** Longest wait for an outbox that does not empty or replicas that do not rest. */
const SETTLE_MS = 180_000;
/** Longest wait for a difference to go away by itself, in a stack that looks quiet. */
const EQUAL_MS = 30_000;

/**
 * Resolves when the outbox is empty and no replica's database has written anything for {@link QUIET_MS}: cheap questions
 * only, because what is measured still runs.
 *
 * @throws {Error} when that does not happen in time.
 */
export async function untilQuiet({ source, replicas }: Sites): Promise<void> {
  const deadline = performance.now() + SETTLE_MS;
  let seen = "";
  let since = performance.now();
  for (;;) {
    const [row] = await source.sql<{ waiting: boolean }[]>`select exists (select from lockstep.outbox) as waiting`;
    const places = await Promise.all(replicas.map(({ sql }) => sql`select pg_current_wal_insert_lsn()::text as lsn`));
    const now = JSON.stringify(places);
    if (row?.waiting || now !== seen) since = performance.now();
    seen = now;
    if (performance.now() - since > QUIET_MS) return;
    if (performance.now() > deadline)
      throw new Error(
        `the stack is still busy after ${SETTLE_MS / 1000} s: the outbox is ${row?.waiting ? "not " : ""}empty`,
      );
    await Bun.sleep(POLL_MS);
  }
}

/** What differs between a source and a copy of it by content. @param replica as which it is declared; default: its own name. */
export const differencesTo =
  (replica?: string) =>
  (source: { url: string }, copy: { name: string; url: string }): Promise<string[]> =>
    differences(source.url, copy.url, replica ?? copy.name);

/** What differs between the source and its replicas by content, once it stays so; empty when all are equal. */
export async function remainingDifferences({ source, replicas }: Sites, compare = differencesTo()): Promise<string[]> {
  const deadline = performance.now() + EQUAL_MS;
  for (;;) {
    const found: string[] = [];
    for (const replica of replicas) found.push(...(await compare(source, replica)));
    if (found.length === 0 || performance.now() > deadline) return found;
    await Bun.sleep(1_000);
  }
}
