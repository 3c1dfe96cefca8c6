/** A bulk of row changes by plain SQL: as fast as one session commits them, in transactions of 1,000. */
import { randomUUIDv7 } from "bun";
import type { Sql } from "postgres";
import deleteText from "./bulk-delete.sql" with { type: "text" };
import insertText from "./bulk-insert.sql" with { type: "text" };
import updateText from "./bulk-update.sql" with { type: "text" };

/** Row changes of one transaction: 500 new rows; of the 500 of the transaction before, 400 are changed and the rest deleted. */
const INSERTS = 500;
const UPDATES = 400;
export const CHANGES_PER_TRANSACTION = 1_000;

/** What one transaction changes. */
export interface BulkStep {
  readonly insert: readonly string[];
  readonly update: readonly string[];
  readonly remove: readonly string[];
}

/** Steps of {@link CHANGES_PER_TRANSACTION} changes each; `seed` are rows that were inserted before, for the first one. */
export function* bulkSteps(seed: readonly string[], transactions: number, newId: () => string): Generator<BulkStep> {
  let before = seed;
  for (let i = 0; i < transactions; i++) {
    const insert = Array.from({ length: INSERTS }, newId);
    yield { insert, update: before.slice(0, UPDATES), remove: before.slice(UPDATES) };
    before = insert;
  }
}

/** Rows for the first transaction to change. */
export async function seedBulk(sql: Sql): Promise<string[]> {
  const ids = Array.from({ length: INSERTS }, () => randomUUIDv7());
  await sql.unsafe(insertText, [ids]);
  return ids;
}

/**
 * Carries the changes out.
 *
 * @param sql a connection of its own (max 1).
 * @param progress is told how many changes are committed.
 */
export async function runBulk(
  sql: Sql,
  seed: readonly string[],
  transactions: number,
  progress: (changes: number) => void,
): Promise<void> {
  let done = 0;
  for (const { insert, update, remove } of bulkSteps(seed, transactions, () => randomUUIDv7())) {
    await sql.begin(async (transaction) => {
      await transaction.unsafe(insertText, [[...insert]]);
      await transaction.unsafe(updateText, [[...update]]);
      await transaction.unsafe(deleteText, [[...remove]]);
    });
    done += CHANGES_PER_TRANSACTION;
    progress(done);
  }
}
