/** Brings a database's schema up to date: numbered SQL files, forward only, each once, safe when several processes start at once. */
import type { Logger } from "../../observability/logger.ts";
import { connectDedicated } from "./connect.ts";

export interface Migration {
  /** `0001-products`: files run in the order of their names. */
  readonly name: string;
  readonly sql: string;
}

/** Any constant will do, as long as every process of Lockstep takes the same. */
const MIGRATION_LOCK = 1_280_262_988;
/** Longest wait for another process that migrates, and for each table lock that a migration takes: others queue up behind it. */
const LOCK_TIMEOUT = "60s";

/**
 * Runs what has not run yet, each migration in a transaction of its own.
 *
 * @throws {Error} when the database cannot be reached, when a lock cannot be had within {@link LOCK_TIMEOUT}, when a migration
 * fails (it leaves nothing behind), or when one that ran before has another content now.
 */
export async function migrate(url: string, migrations: readonly Migration[], logger: Logger): Promise<void> {
  const sql = connectDedicated(url, "lockstep-migrate");
  try {
    await sql`select set_config('lock_timeout', ${LOCK_TIMEOUT}, false)`;
    await sql`select pg_advisory_lock(${MIGRATION_LOCK})`;
    await sql`create schema if not exists lockstep`;
    // The usual user has the name of this schema, and `$user` stands first in the search path: tables would be made in here.
    await sql`select set_config('search_path', 'public', false) where current_schema() = 'lockstep'`;
    await sql`create table if not exists lockstep.migrations (
      name text primary key, checksum text not null, applied_at timestamptz not null default now())`;
    const rows = await sql<{ name: string; checksum: string }[]>`select name, checksum from lockstep.migrations`;
    const applied = new Map(rows.map((row) => [row.name, row.checksum]));
    for (const { name, sql: text } of migrations) {
      const checksum = new Bun.CryptoHasher("sha256").update(text).digest("hex");
      const before = applied.get(name);
      if (before === checksum) continue;
      if (before !== undefined)
        throw new Error(`migration ${name} has changed since it ran; put it back and add a new migration instead`);
      // The only user of this connection, which is thrown away after any error: `begin` is safe here.
      await sql.begin(async (transaction) => {
        await transaction.unsafe(text);
        await transaction`insert into lockstep.migrations (name, checksum) values (${name}, ${checksum})`;
      });
      logger.info({ migration: name }, "migrated");
    }
  } finally {
    await sql.end({ timeout: 1 });
  }
}
