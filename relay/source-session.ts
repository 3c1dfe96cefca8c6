/** The relay's session in the source's PostgreSQL: it holds the leader lock and runs all statements on the outbox. */
import { connectDedicated, type Sql } from "../platform/postgres/connect.ts";

/** An open session. */
export interface SourceSession {
  readonly sql: Sql;
  /** Whether the server has `track_commit_timestamp = on`. */
  readonly commitTimestamps: boolean;
  /** Rejects when the session closes. Never resolves. */
  readonly closed: Promise<never>;
}

/** @throws {Error} when the database cannot be reached. */
export async function openSourceSession(url: string): Promise<SourceSession> {
  const closed = Promise.withResolvers<never>();
  const sql = connectDedicated(url, "lockstep-relay", () =>
    closed.reject(new Error("the relay's database session closed, so it no longer leads; the process must restart")),
  );
  // Commits do not wait for the disk. If the server crashes and loses an acknowledgement, the next relay finds the
  // change when it reads the log back.
  const [row] = await sql<{ tracked: boolean }[]>`
    select set_config('synchronous_commit', 'off', false),
           current_setting('track_commit_timestamp')::boolean as tracked`;
  return { sql, commitTimestamps: row!.tracked, closed: closed.promise };
}
