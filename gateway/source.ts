/**
 * The source's PostgreSQL as the gateway uses it: bounded, and watched by a question on a connection of its own.
 *
 * States: starting → answering ⇄ away, answering ⇄ silent.
 * - starting: the schema may not be up to date; every statement is refused.
 * - answering: statements go through.
 * - away: the database said no, or nobody listens. Statements are tried all the same: they fail at once, and find out first
 *   that it is back.
 * - silent: connections are open and say nothing (a stopped server, a cut cable). Statements under way fail with an unknown
 *   outcome, later ones are refused, and a new connection asks on.
 */
import type { PoolUse } from "../observability/gauges.ts";
import { connectPool, type Sql } from "../platform/postgres/connect.ts";
import { Database, DatabaseUnavailableError } from "../platform/postgres/database.ts";
import type { Check } from "../platform/service.ts";

const TICK_MS = 500;
/**
 * Ticks without an answer that make a database silent. Ticks and not time: a process that was itself stopped for a while finds
 * time gone by, and the answer behind it.
 */
const SILENT_TICKS = 5;
/** A living server says something about a statement this long after its time was up. */
const GRACE_MS = 500;
/** Every statement finds its rows by their keys. A plan that was made while the table was empty must not read all of it later. */
const SESSION = { enable_seqscan: "off", enable_hashjoin: "off", enable_mergejoin: "off" };
/** Requests that may wait for each connection. */
const WAITING_PER_CONNECTION = 50;

export interface SourceSettings {
  readonly connections: number;
  /** Longest that one statement may take in the database, in milliseconds. */
  readonly statementTimeoutMs: number;
}

export class Source {
  private readonly database: Database;
  private pulse: Sql;
  private readonly ticking: Timer;
  private started = false;
  private asking = false;
  private unanswered = 0;
  private why: string | undefined;

  constructor(
    private readonly url: string,
    { connections, statementTimeoutMs }: SourceSettings,
  ) {
    const limit = statementTimeoutMs + GRACE_MS;
    this.database = new Database(
      () => connectPool(url, { max: connections, name: "lockstep-gateway", statementTimeoutMs, session: SESSION }),
      {
        deadlineMs: limit,
        silenceMs: limit,
        maxWaiting: connections * WAITING_PER_CONNECTION,
      },
    );
    this.pulse = this.connectPulse();
    void this.ask(this.pulse);
    this.ticking = setInterval(() => this.tick(), TICK_MS);
  }

  /** From now on statements go through. */
  schemaIsUpToDate(): void {
    this.started = true;
  }

  /** Runs one statement. @throws {DatabaseUnavailableError} and whatever the database says. */
  query<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    if (!this.started) return Promise.reject(new DatabaseUnavailableError("the schema is not up to date yet", false));
    if (this.silent) return Promise.reject(new DatabaseUnavailableError("the database does not answer", false));
    return this.database.query(work);
  }

  get use(): PoolUse {
    return this.database.use;
  }

  readonly check: Check = {
    name: "database",
    problem: () => (this.started ? this.why : (this.why ?? "the schema is not up to date yet")),
  };

  async close(): Promise<void> {
    clearInterval(this.ticking);
    await Promise.all([this.database.close(), this.pulse.end({ timeout: 1 })]);
  }

  private get silent(): boolean {
    return this.unanswered >= SILENT_TICKS;
  }

  private tick(): void {
    if (!this.asking) return void this.ask(this.pulse);
    this.unanswered++;
    if (this.unanswered % SILENT_TICKS !== 0) return;
    this.why = `the database has not answered for ${this.unanswered * TICK_MS} ms`;
    void this.pulse.end({ timeout: 0 });
    this.pulse = this.connectPulse();
    this.asking = false;
    if (this.unanswered !== SILENT_TICKS) return;
    this.database.rejectQueued(this.why);
    this.database.renew();
  }

  private async ask(pulse: Sql): Promise<void> {
    this.asking = true;
    let why: string | undefined;
    try {
      await pulse`select 1`;
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    }
    // Given up meanwhile: what it says is about the past.
    if (pulse !== this.pulse) return;
    this.asking = false;
    this.unanswered = 0;
    this.why = why;
  }

  private connectPulse(): Sql {
    return connectPool(this.url, {
      max: 1,
      name: "lockstep-gateway-pulse",
      statementTimeoutMs: TICK_MS * SILENT_TICKS,
    });
  }
}
