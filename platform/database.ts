/**
 * PostgreSQL behind bounds: every query has a deadline, not too many wait, and connections that went dead without a word are
 * replaced. postgres.js has none of these.
 */
import type { Sql } from "./postgres.ts";

/** No answer in time, or too many wait already. Whether the statement was or will be carried out is unknown. */
export class DatabaseAwayError extends Error {
  constructor(message: string) {
    super(message);
    this.name = "DatabaseAwayError";
  }
}

/** SQLSTATE classes and codes after which the same statement may succeed. */
const passing = /^(08|40|53|57|58|55P03)/;
/** What postgres.js and the system say when a connection cannot be had or was lost. */
const unconnected = /^(CONNECT|ECONN|EPIPE|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|ETIMEDOUT|ENOENT)/;

/** True for errors that say something about the database's state and nothing about the statement: trying again makes sense. */
export function isAway(error: unknown): boolean {
  if (error instanceof DatabaseAwayError) return true;
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && (passing.test(code) || unconnected.test(code));
}

export interface Bounds {
  /** Longest that the caller waits, in milliseconds. */
  readonly deadlineMs: number;
  /** A living server says something about each statement within this, in milliseconds; longer than its `statement_timeout`. */
  readonly silenceMs: number;
  /** Most callers at a time. */
  readonly maxWaiting: number;
}

export class Database {
  private sql: Sql;
  private waiting = 0;
  private answeredAt = 0;

  /** @param connect makes a pool; called again when one went dead. */
  constructor(
    private readonly connect: () => Sql,
    private readonly bounds: Bounds,
  ) {
    this.sql = connect();
  }

  /** Runs one statement. @throws {DatabaseAwayError} and whatever the database says. */
  async query<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    const { deadlineMs, maxWaiting } = this.bounds;
    if (this.waiting >= maxWaiting)
      throw new DatabaseAwayError(`${maxWaiting} statements wait for the database already`);
    if (this.waiting++ === 0) this.answeredAt = performance.now();
    const { sql } = this;
    const answer = Promise.resolve(work(sql)).finally(() => {
      this.waiting--;
      this.answeredAt = performance.now();
    });
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => {
      late.reject(new DatabaseAwayError(`the database did not answer within ${deadlineMs} ms`));
      this.replaceIfDead(sql);
    }, deadlineMs);
    try {
      return await Promise.race([answer, late.promise]);
    } finally {
      clearTimeout(timer);
    }
  }

  async close(): Promise<void> {
    await this.sql.end({ timeout: 1 });
  }

  /** Statements on the dead connections fail, so that nothing waits for ever. */
  private replaceIfDead(sql: Sql): void {
    if (sql !== this.sql || performance.now() - this.answeredAt < this.bounds.silenceMs) return;
    this.sql = this.connect();
    void sql.end({ timeout: 0 });
  }
}
