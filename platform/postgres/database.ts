/**
 * A PostgreSQL pool with limits that postgres.js does not have: a deadline for each query, a bounded queue, and
 * replacement of connections on which the server stopped responding.
 *
 * The pool never gets more statements than it has connections. postgres.js would pipeline the others behind running
 * statements, where a statement that waits for a lock blocks them and where nothing can cancel them.
 */
import type { PoolUse } from "../../observability/gauges.ts";
import { SharedDeadline } from "../async/shared-deadline.ts";
import type { Sql } from "./connect.ts";
import { DatabaseUnavailableError, isBrokenConnection, isReadOnly } from "./errors.ts";

/** Limits of a {@link Database}. */
export interface DatabaseLimits {
  /** Longest time of a query, in milliseconds. At most half of it is spent waiting for a connection. */
  readonly deadlineMs: number;
  /**
   * After this time without any response, in milliseconds, the connections are replaced. Longer than the
   * `statement_timeout`, within which a working server always responds.
   */
  readonly silenceMs: number;
  /** Queries that may run or wait at the same time. */
  readonly maxPending: number;
}

/** Least time between two replacements because the server is read-only, in milliseconds: each costs new sessions. */
const READ_ONLY_RENEWAL_MS = 1_000;

/** A pool behind {@link DatabaseLimits}. */
export class Database {
  private sql: Sql;
  private running = 0;
  /** Queries that wait for a connection. */
  private queue: PromiseWithResolvers<void>[] = [];
  private lastResponseMs = 0;
  private readOnlyRenewedMs = Number.NEGATIVE_INFINITY;
  private readonly deadline: SharedDeadline;
  private readonly queueDeadline: SharedDeadline;

  /** @param connect opens a pool; called again when the connections are replaced. */
  constructor(
    private readonly connect: () => Sql,
    private readonly limits: DatabaseLimits,
  ) {
    this.sql = connect();
    this.deadline = new SharedDeadline(limits.deadlineMs);
    this.queueDeadline = new SharedDeadline(limits.deadlineMs / 2);
  }

  /**
   * Runs one statement.
   *
   * @throws {DatabaseUnavailableError} when a limit is exceeded; otherwise whatever the database or the connection
   * throws.
   */
  async query<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    const { maxPending } = this.limits;
    if (this.running + this.queue.length >= maxPending)
      throw new DatabaseUnavailableError(`${maxPending} statements are already pending for the database`, false);
    if (this.running < this.sql.options.max) this.acquire();
    else await this.waitForConnection();
    return await this.run(work);
  }

  /** Runs a statement for which there is a connection. */
  private run<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    const { sql } = this;
    const { deadlineMs } = this.limits;
    return new Promise((resolve, reject) => {
      const end = this.deadline.start(() => {
        this.reconnectIfSilent();
        reject(new DatabaseUnavailableError(`the database did not respond within ${deadlineMs} ms`, true));
      });
      const onError = (error: unknown) => {
        end();
        // Before `release` starts the next statement, which would otherwise use the broken connections. postgres.js
        // 3.4.9 may never write to such a connection again, even after it reconnected: it keeps a timer that it has
        // cleared (`nextWriteTimer` in its connection.js).
        if (sql === this.sql && (isBrokenConnection(error) || this.isRenewable(error))) this.replace(deadlineMs);
        this.release();
        reject(error);
      };
      const onResult = (result: T) => {
        end();
        this.release();
        resolve(result);
      };
      try {
        work(sql).then(onResult, onError);
      } catch (error) {
        onError(error);
      }
    });
  }

  /** Current use of the pool. */
  get use(): PoolUse {
    return { size: this.sql.options.max, used: this.running, waiting: this.queue.length };
  }

  /** Replaces all connections. Running statements end on the old ones, within the deadline. */
  renew(): void {
    this.replace(this.limits.deadlineMs);
  }

  /** Replaces all connections. Running statements fail, so that nothing waits for a response that never comes. */
  reconnect(): void {
    this.replace(0);
  }

  /** Rejects all queries that wait for a connection. */
  rejectQueued(message: string): void {
    for (const { reject } of this.queue.splice(0)) reject(new DatabaseUnavailableError(message, false));
  }

  /** Closes the connections; running statements have one second to finish. */
  async close(): Promise<void> {
    await this.sql.end({ timeout: 1 });
  }

  /** @param graceMs how long running statements may still take. */
  private replace(graceMs: number): void {
    const old = this.sql;
    this.sql = this.connect();
    // The new connections get the full `silenceMs`.
    this.lastResponseMs = performance.now();
    void old.end({ timeout: graceMs / 1_000 });
  }

  /**
   * True for a read-only error, once a second at most. A session keeps the `default_transaction_read_only` of its start,
   * so only a new one finds out that the server accepts writes again.
   */
  private isRenewable(error: unknown): boolean {
    if (!isReadOnly(error) || performance.now() - this.readOnlyRenewedMs < READ_ONLY_RENEWAL_MS) return false;
    this.readOnlyRenewedMs = performance.now();
    return true;
  }

  private reconnectIfSilent(): void {
    if (this.running > 0 && performance.now() - this.lastResponseMs >= this.limits.silenceMs) this.reconnect();
  }

  private acquire(): void {
    if (this.running++ === 0) this.lastResponseMs = performance.now();
  }

  private release(): void {
    this.running--;
    this.lastResponseMs = performance.now();
    const next = this.queue.shift();
    if (!next) return;
    this.acquire();
    next.resolve();
  }

  /** @throws {DatabaseUnavailableError} when no connection becomes free in time; the query has then left the queue. */
  private async waitForConnection(): Promise<void> {
    const queued = Promise.withResolvers<void>();
    this.queue.push(queued);
    const timeoutMs = this.limits.deadlineMs / 2;
    await this.queueDeadline.limit(queued.promise, () => {
      this.queue = this.queue.filter((other) => other !== queued);
      // The callers of the running statements have timed out already, so only a queued query still detects the silence.
      this.reconnectIfSilent();
      return new DatabaseUnavailableError(`no connection to the database became free within ${timeoutMs} ms`, false);
    });
  }
}
