/**
 * Schema migrations: numbered SQL files, forward only, each runs once. Several processes may migrate at the same time.
 */
import type { Logger } from "../../observability/logger.ts";
import { connectDedicated, type Sql } from "./connect.ts";

/** One migration file. */
export interface Migration {
  /** `0001-products`: files run in the order of their names. */
  readonly name: string;
  readonly sql: string;
}

/** An arbitrary constant that all Lockstep processes share. */
const MIGRATION_LOCK = 1_280_262_988;
/**
 * Longest wait for another process that migrates, and for each table lock: other statements queue behind a waiting
 * lock.
 */
const LOCK_TIMEOUT = "60s";

/**
 * Runs the migrations that have not run yet, each in its own transaction.
 *
 * @throws {Error} when the database cannot be reached; when a lock cannot be acquired within {@link LOCK_TIMEOUT}; when
 * a migration fails (its transaction is rolled back); when a migration that ran before has other content now.
 */
export async function migrate(url: string, migrations: readonly Migration[], logger: Logger): Promise<void> {
  const sql = connectDedicated(url, "lockstep-migrate");
  try {
    const applied = await lockAndReadApplied(sql);
    for (const { name, sql: text } of migrations) {
      const checksum = new Bun.CryptoHasher("sha256").update(text).digest("hex");
      const appliedChecksum = applied.get(name);
      if (appliedChecksum === checksum) continue;
      if (appliedChecksum !== undefined)
        throw new Error(`migration ${name} has changed since it ran; restore it and add a new migration instead`);
      // `begin` is safe here: nothing else uses this connection, and any error closes it.
      await sql.begin(async (transaction) => {
        await transaction.unsafe(text);
        await transaction`insert into lockstep.migrations (name, checksum) values (${name}, ${checksum})`;
      });
      logger.info({ migration: name }, "migration applied");
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Takes the migration lock, which the session holds until it ends. @returns checksums by name. */
async function lockAndReadApplied(sql: Sql): Promise<Map<string, string>> {
  await sql`select set_config('lock_timeout', ${LOCK_TIMEOUT}, false)`;
  await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
  await sql`create schema if not exists lockstep`;
  // The default user is also named lockstep, and `$user` comes first in the search path: tables would be created in
  // this schema.
  await sql`select set_config('search_path', 'public', false) where current_schema() = 'lockstep'`;
  await sql`create table if not exists lockstep.migrations (
    name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
  const rows = await sql<{ name: string; checksum: string }[]>`select name, checksum from lockstep.migrations`;
  return new Map(rows.map((row) => [row.name, row.checksum]));
}
