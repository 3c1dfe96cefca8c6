/**
 * Schema migrations: numbered SQL files, forward only, each runs once. Several processes may migrate at the same time.
 */
import { UserError } from "../../contracts/errors.ts";
import type { Migration } from "../../contracts/project.ts";
import type { Logger } from "../../observability/logger.ts";
import { connectDedicated, type Sql } from "./connect.ts";

/** An arbitrary constant that all Lockstep processes share. */
export const MIGRATION_LOCK = 1_280_262_988;
/**
 * Longest wait for another process that migrates, and for each table lock: other statements queue behind a waiting
 * lock.
 */
const LOCK_TIMEOUT = "60s";

/**
 * Runs the migrations that have not run yet, in the given order, each in its own transaction. Writes nothing when all
 * have run: a service also starts on a read-only database.
 *
 * @throws {UserError} when the database has other first migrations: a source is no replica, and a replica is no source.
 * @throws {Error} when the database cannot be reached; when a lock cannot be acquired within {@link LOCK_TIMEOUT}; when
 * a migration fails (its transaction is rolled back); when a migration that ran before has other content now.
 */
export async function migrate(url: string, migrations: readonly Migration[], logger: Logger): Promise<void> {
  const sql = connectDedicated(url, "lockstep-migrate");
  try {
    const applied = await readApplied(sql);
    rejectOtherPart(migrations, applied);
    if (pendingOf(migrations, applied).length === 0) return;
    // Another process may have migrated before this one got the lock, so what has run is read again.
    for (const { name, sql: text, checksum } of pendingOf(migrations, await lockAndReadApplied(sql))) {
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

/** Every database gets its first migration first. */
function rejectOtherPart([first]: readonly Migration[], applied: ReadonlyMap<string, string>): void {
  if (!first || applied.size === 0 || applied.has(first.name)) return;
  throw new UserError(
    `the database belongs to another part of Lockstep: it lacks the migration ${first.name} and has others. ` +
      "The source and each replica need a database of their own",
  );
}

/** A migration that has not run yet. */
export interface PendingMigration extends Migration {
  readonly checksum: string;
}

/** Migrations that have not run yet. @throws {Error} when one that ran has other content now. */
export function pendingOf(migrations: readonly Migration[], applied: ReadonlyMap<string, string>): PendingMigration[] {
  return migrations.flatMap((migration) => {
    const checksum = new Bun.CryptoHasher("sha256").update(migration.sql).digest("hex");
    const appliedChecksum = applied.get(migration.name);
    if (appliedChecksum === checksum) return [];
    if (appliedChecksum === undefined) return [{ ...migration, checksum }];
    throw new Error(`migration ${migration.name} has changed since it ran; restore it and add a new migration instead`);
  });
}

/** Checksums by name; none on a new database. @throws the database's error. */
export async function readApplied(sql: Sql): Promise<Map<string, string>> {
  const [{ exists } = { exists: false }] = await sql<{ exists: boolean }[]>`
    select to_regclass('lockstep.migrations') is not null as exists`;
  if (!exists) return new Map();
  const rows = await sql<{ name: string; checksum: string }[]>`select name, checksum from lockstep.migrations`;
  return new Map(rows.map((row) => [row.name, row.checksum]));
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
  return readApplied(sql);
}
