/** Runs migrations of tables that others write meanwhile: one that does not get its locks at once is repeated. */
import type { Migration } from "../../contracts/project.ts";
import { sleep } from "../async/sleep.ts";
import { connectDedicated, type Sql } from "./connect.ts";
import { codeOf } from "./errors.ts";
import { MIGRATION_LOCK, type PendingMigration, pendingOf, readApplied } from "./migrate.ts";

/** Settings and observers of a run. */
export interface MigrateBesideWritersOptions {
  /** Called when a migration has been committed. */
  readonly onApplied: (name: string) => void;
  /** Called when a migration did not get a lock. @param attempt from 1. */
  readonly onWait: (name: string, attempt: number) => void;
  /** Longest time that one migration is repeated for, in milliseconds. */
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/** A migration did not get its locks in time. */
export class MigrationLockTimeoutError extends Error {
  constructor(
    readonly migration: string,
    options: ErrorOptions,
  ) {
    super(`migration ${migration} did not get its locks in time`, options);
  }
}

const LOCK_NOT_AVAILABLE = "55P03";
const DEADLOCK_DETECTED = "40P01";
/** Longest wait for another process that migrates, and for a lock of a migration that sets no `lock_timeout`. */
const LOCK_TIMEOUT = "5s";
/** Writers get through between two attempts. */
const RETRY_MS = { min: 50, max: 250 };

/**
 * Runs the migrations that have not run yet, in the given order, each in its own transaction. Each sets a short
 * `lock_timeout` itself, so that writers do not wait long behind it. The schema of Lockstep exists already.
 *
 * @throws {MigrationLockTimeoutError} when a migration has not got its locks for `timeoutMs`.
 * @throws the signal's reason, or the database's error for any other failure. What was committed stays.
 */
export async function migrateBesideWriters(
  url: string,
  migrations: readonly Migration[],
  options: MigrateBesideWritersOptions,
): Promise<void> {
  const session = connectDedicated(url, "lockstep-migrate");
  try {
    await session`select set_config('lock_timeout', ${LOCK_TIMEOUT}, false)`;
    await session`select set_config('search_path', 'public', false) where current_schema() = 'lockstep'`;
    for (const migration of pendingOf(migrations, await readApplied(session)))
      await repeat(migration.name, options, () => applyOnce(session, migration));
  } finally {
    await session.end({ timeout: 1 });
  }
}

async function repeat(
  name: string,
  { onApplied, onWait, timeoutMs, signal }: MigrateBesideWritersOptions,
  attemptOnce: () => Promise<void>,
): Promise<void> {
  const until = performance.now() + timeoutMs;
  for (let attempt = 1; ; attempt++) {
    signal.throwIfAborted();
    try {
      await attemptOnce();
      onApplied(name);
      return;
    } catch (error) {
      const code = codeOf(error);
      if (code !== LOCK_NOT_AVAILABLE && code !== DEADLOCK_DETECTED) throw error;
      if (performance.now() > until) throw new MigrationLockTimeoutError(name, { cause: error });
      onWait(name, attempt);
      await sleep(RETRY_MS.min + Math.random() * (RETRY_MS.max - RETRY_MS.min), signal);
    }
  }
}

/** Another process may have run it meanwhile: both take the same lock. */
async function applyOnce(session: Sql, { name, sql, checksum }: PendingMigration): Promise<void> {
  // `begin` is safe here: nothing else uses this connection.
  await session.begin(async (transaction) => {
    await transaction`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
    const done = await transaction`select from lockstep.migrations where name = ${name}`;
    if (done.length > 0) return;
    await transaction.unsafe(sql);
    await transaction`insert into lockstep.migrations (name, checksum) values (${name}, ${checksum})`;
  });
}
