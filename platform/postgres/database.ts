/**
 * PostgreSQL behind bounds: every query has a deadline, not too many wait, and connections that went dead without a word are
 * replaced. postgres.js has none of these.
 *
 * No more statements are handed over than the pool has connections: postgres.js would send the others after those that run, on
 * the same connections, where one that waits for a lock holds them up and where nobody can take them back.
 */
import { LockstepError } from "../../contracts/errors.ts";
import type { PoolUse } from "../../observability/gauges.ts";
import type { Sql } from "./connect.ts";

/** No answer in time, or too many wait already. */
export class DatabaseUnavailableError extends LockstepError {
  /** @param sent false: the statement was not and will not be carried out; true: nobody knows. */
  constructor(
    message: string,
    readonly sent: boolean,
  ) {
    super("DATABASE_UNAVAILABLE", message);
  }
}

/** SQLSTATE classes and codes after which the same statement may succeed. */
const passing = /^(08|40|53|57|58|55P03)/;
/** What postgres.js and the system say when a connection cannot be had or was lost. */
const unconnected = /^(CONNECT|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOENT)/;

/**
 * After one of these postgres.js 3.4.9 may never write to that connection again, also when it is a new one: it keeps a timer that it
 * has cleared (`nextWriteTimer` in its connection.js). Statements then wait for their deadline, or for a connection in vain.
 */
const lost = /^(08|57P0[125]|CONNECTION_CLOSED|CONNECTION_DESTROYED|CONNECT_TIMEOUT|ECONNRESET|EPIPE)/;

/** True for errors that say something about the database's state and nothing about the statement: trying again makes sense. */
export function isUnavailable(error: unknown): boolean {
  if (error instanceof DatabaseUnavailableError) return true;
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && (passing.test(code) || unconnected.test(code));
}

/** Data exceptions, constraints, syntax and access rules, what a trigger raises, a view's check: the transaction was rolled back. */
const refusing = /^(22|23|42|44|P0001)/;

/** True when the database has answered that it will not do this: trying the same again cannot help unless its schema changes. */
export function isRejected(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^[0-9A-Z]{5}$/.test(code) && refusing.test(code);
}

export interface DatabaseLimits {
  /** Longest that a caller waits for the answer, in milliseconds; before that, half as long at most for a connection. */
  readonly deadlineMs: number;
  /** A living server says something about each statement within this, in milliseconds; longer than its `statement_timeout`. */
  readonly silenceMs: number;
  /** Most callers at a time. */
  readonly maxWaiting: number;
}

/** A caller that has no connection yet. */
interface Queued {
  readonly go: () => void;
  readonly reject: (why: string) => void;
}

export class Database {
  private sql: Sql;
  private running = 0;
  private readonly queue: Queued[] = [];
  private answeredAt = 0;

  /** @param connect makes a pool; called again when one went dead. */
  constructor(
    private readonly connect: () => Sql,
    private readonly bounds: DatabaseLimits,
  ) {
    this.sql = connect();
  }

  /** Runs one statement. @throws {DatabaseUnavailableError} and whatever the database says. */
  async query<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    const { deadlineMs, maxWaiting } = this.bounds;
    if (this.running + this.queue.length >= maxWaiting)
      throw new DatabaseUnavailableError(`${maxWaiting} statements wait for the database already`, false);
    if (this.running < this.sql.options.max) this.occupy();
    else await this.turn(deadlineMs / 2);
    const { sql } = this;
    const answer = Promise.try(work, sql)
      .catch((error) => {
        // Before the next statement is sent: it would go to the same connections.
        if (sql === this.sql && lost.test(String((error as { code?: unknown } | null)?.code))) this.replace(deadlineMs);
        throw error;
      })
      .finally(() => this.release());
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new DatabaseUnavailableError(`the database did not answer within ${deadlineMs} ms`, true));
      this.renewIfSilent();
    }, deadlineMs);
    try {
      return await Promise.race([answer, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What is in use of the pool now. */
  get use(): PoolUse {
    return { size: this.sql.options.max, used: this.running, waiting: this.queue.length };
  }

  /** Gives the connections up for new ones. Statements under way fail, so that nothing waits for ever. */
  renew(): void {
    this.replace(0);
  }

  /** Sends those away who have no connection yet. */
  rejectQueued(why: string): void {
    for (const { reject } of this.queue.splice(0)) reject(why);
  }

  async close(): Promise<void> {
    await this.sql.end({ timeout: 1 });
  }

  /** @param graceMs how long statements under way may still take. */
  private replace(graceMs: number): void {
    const old = this.sql;
    this.sql = this.connect();
    // The new ones have as long to say something; the others who wait for the old ones find out in a moment.
    this.answeredAt = performance.now();
    void old.end({ timeout: graceMs / 1_000 });
  }

  private renewIfSilent(): void {
    if (this.running > 0 && performance.now() - this.answeredAt >= this.bounds.silenceMs) this.renew();
  }

  private occupy(): void {
    if (this.running++ === 0) this.answeredAt = performance.now();
  }

  private release(): void {
    this.running--;
    this.answeredAt = performance.now();
    const next = this.queue.shift();
    if (!next) return;
    this.occupy();
    next.go();
  }

  /** Resolves when it is this caller's turn. @throws {DatabaseUnavailableError} when the time is up; the caller has then left the queue. */
  private turn(timeoutMs: number): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.queue.splice(this.queue.indexOf(queued), 1);
        queued.reject(`no connection to the database came free within ${timeoutMs} ms`);
        // Those that run have given up waiting: who queues is the only one left to notice.
        this.renewIfSilent();
      }, timeoutMs);
      const queued: Queued = {
        go: () => {
          clearTimeout(timer);
          resolve();
        },
        reject: (why) => {
          clearTimeout(timer);
          reject(new DatabaseUnavailableError(why, false));
        },
      };
      this.queue.push(queued);
    });
  }
}
