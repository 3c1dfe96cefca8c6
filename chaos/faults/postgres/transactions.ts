/** Faults of other users of a PostgreSQL: transactions that stay open, and that lock rows or a table. */
import type { Sql } from "postgres";
import type { Fault, FaultContext } from "../../fault.ts";
import { databaseNames, databaseUrl, entitiesIn, openSession } from "./databases.ts";

/** Most rows that one fault locks, chosen among this many of the newest. */
const MAX_ROWS = 5;
const NEWEST = 50;

/** Runs `statements` in a transaction that stays open until the fault ends. */
const openTransaction = (
  fault: Pick<Fault, "name" | "summary" | "lastsMs">,
  statements: (sql: Sql, context: FaultContext) => Promise<unknown>,
): Fault => ({
  ...fault,
  subjects: databaseNames,
  async inject(context) {
    const sql = openSession(databaseUrl(context.system, context.subject));
    // The server ends the transaction with its session.
    const end = () => sql.end({ timeout: 1 });
    try {
      await sql.unsafe("begin");
      await statements(sql, context);
    } catch (error) {
      await end();
      throw error;
    }
    return async () => {
      await sql.unsafe("rollback").catch(() => {}); // a session that is lost has ended its transaction
      await end();
    };
  },
});

const longTransaction = openTransaction(
  {
    name: "postgres-long-transaction",
    summary: "A transaction stays open, so that PostgreSQL cannot remove deleted rows.",
    lastsMs: [5_000, 20_000],
  },
  (sql) => sql`select pg_current_xact_id()`,
);

const rowLock = openTransaction(
  {
    name: "postgres-row-lock",
    summary: "Another session locks up to five of the newest rows.",
    lastsMs: [2_000, 10_000],
  },
  async (sql, { system, subject, random, ids }) => {
    const entity = random.pick(entitiesIn(system, subject));
    const newest = ids().slice(-NEWEST);
    const chosen = newest.length === 0 ? [] : Array.from({ length: MAX_ROWS }, () => random.pick(newest));
    const rows = await sql`
      select from ${sql(entity.plural)} where id::text in (select unnest(${`{${chosen}}`}::text::text[])) for update`;
    if (rows.length === 0) throw new Error(`the chosen rows are not in ${subject}`);
  },
);

const tableLock = openTransaction(
  {
    name: "postgres-table-lock",
    summary: "Another session locks a whole table, also against reads.",
    lastsMs: [2_000, 10_000],
  },
  async (sql, { system, subject, random }) => {
    await sql`lock table ${sql(random.pick(entitiesIn(system, subject)).plural)} in access exclusive mode`;
  },
);

/** Faults of transactions. */
export const transactionFaults: readonly Fault[] = [longTransaction, rowLock, tableLock];
