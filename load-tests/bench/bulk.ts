/** Many row changes by plain SQL, as fast as one session commits them, in transactions of 1,000. */
import { randomUUIDv7 } from "bun";
import type { Sql } from "postgres";
import type { BulkStatements } from "../workload/statements.ts";

/** A transaction inserts 500 rows. Of the 500 rows of the previous transaction it updates 400 and deletes the rest. */
const INSERTS = 500;
const UPDATES = 400;
/** Row changes of one transaction. */
export const CHANGES_PER_TRANSACTION = 1_000;

/** Ids of the rows that one transaction changes. */
export interface BulkTransaction {
  readonly insert: readonly string[];
  readonly update: readonly string[];
  readonly remove: readonly string[];
}

/** Transactions of {@link CHANGES_PER_TRANSACTION} changes. @param seed existing rows, for the first one to change. */
export function* bulkTransactions(
  seed: readonly string[],
  transactions: number,
  newId: () => string,
): Generator<BulkTransaction> {
  let previous = seed;
  for (let i = 0; i < transactions; i++) {
    const insert = Array.from({ length: INSERTS }, newId);
    yield { insert, update: previous.slice(0, UPDATES), remove: previous.slice(UPDATES) };
    previous = insert;
  }
}

/** Inserts rows for the first transaction to change. @returns their ids. */
export async function seedBulk(sql: Sql, statements: BulkStatements): Promise<string[]> {
  const ids = Array.from({ length: INSERTS }, () => randomUUIDv7());
  await sql.unsafe(statements.insert, [ids]);
  return ids;
}

/**
 * Runs the transactions.
 *
 * @param sql a pool with one connection, used by nothing else.
 * @param onProgress called after each transaction with the number of committed changes.
 */
export async function runBulk(
  sql: Sql,
  statements: BulkStatements,
  seed: readonly string[],
  transactions: number,
  onProgress: (changes: number) => void,
): Promise<void> {
  let committed = 0;
  for (const { insert, update, remove } of bulkTransactions(seed, transactions, () => randomUUIDv7())) {
    await sql.begin(async (transaction) => {
      await transaction.unsafe(statements.insert, [[...insert]]);
      await transaction.unsafe(statements.update, [[...update]]);
      await transaction.unsafe(statements.remove, [[...remove]]);
    });
    committed += CHANGES_PER_TRANSACTION;
    onProgress(committed);
  }
}
