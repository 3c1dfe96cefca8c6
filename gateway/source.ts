/**
 * The source's PostgreSQL as the gateway uses it: bounded, and probed on a connection of its own.
 *
 * States: starting → available ⇄ unavailable, available ⇄ silent.
 * - starting: the schema may not be up to date. Every statement is rejected.
 * - available: statements run.
 * - unavailable: the database rejects connections, or nothing listens. Statements still try: they fail at once, and the
 *   first that succeeds finds the database available again.
 * - silent: connections are open, but nothing answers (a stopped server, a cut cable). Statements in flight fail with
 *   an unknown outcome, later ones are rejected, and a new connection continues to probe.
 */
import type { PoolUse } from "../observability/gauges.ts";
import { connectPool, type Sql } from "../platform/postgres/connect.ts";
import { Database } from "../platform/postgres/database.ts";
import { DatabaseUnavailableError } from "../platform/postgres/errors.ts";
import type { Check } from "../platform/service.ts";

const PROBE_INTERVAL_MS = 500;
/**
 * Intervals without an answer after which the database is silent. Intervals, not time: for a gateway process that was
 * suspended, time has passed although the database has answered.
 */
const SILENT_INTERVALS = 5;
/** A running server answers a statement within this time after the statement's timeout, in milliseconds. */
const GRACE_MS = 500;
/** Every statement finds its rows by key. A plan made while the table was empty must not scan the whole table later. */
const SESSION = { enable_seqscan: "off", enable_hashjoin: "off", enable_mergejoin: "off" };
/** Statements per connection that may wait (P14). */
const WAITING_PER_CONNECTION = 50;

/** Bounds of the gateway's use of the source. */
interface SourceSettings {
  /** Connections in the pool. The probe uses one more. */
  readonly connections: number;
  /** Longest run time of one statement in the database, in milliseconds. */
  readonly statementTimeoutMs: number;
}

/** The gateway's pool of connections to the source, and its health. */
export class Source {
  private readonly database: Database;
  private probeConnection: Sql;
  private readonly probeTimer: Timer;
  private isSchemaReady = false;
  private isProbing = false;
  private unansweredIntervals = 0;
  private problem: string | undefined;

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
        maxPending: connections * WAITING_PER_CONNECTION,
      },
    );
    this.probeConnection = this.connectProbe();
    void this.probe(this.probeConnection);
    this.probeTimer = setInterval(() => this.onInterval(), PROBE_INTERVAL_MS);
  }

  /** Marks the schema as up to date. Until then every statement is rejected. */
  schemaIsUpToDate(): void {
    this.isSchemaReady = true;
  }

  /** Runs one statement. @throws {DatabaseUnavailableError} and the errors of the database. */
  query<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    if (!this.isSchemaReady)
      return Promise.reject(new DatabaseUnavailableError("the schema is not up to date yet", false));
    if (this.isSilent) return Promise.reject(new DatabaseUnavailableError("the database does not answer", false));
    return this.database.query(work);
  }

  /** Use of the pool at this moment. */
  get use(): PoolUse {
    return this.database.use;
  }

  /** Readiness: the database answers and its schema is up to date. */
  readonly check: Check = {
    condition: "source-unavailable",
    blocksReadiness: true,
    problem: () => this.problem ?? (this.isSchemaReady ? undefined : "the schema is not up to date yet"),
  };

  /** Closes all connections. Statements in flight get 1 s to end. */
  async close(): Promise<void> {
    clearInterval(this.probeTimer);
    await Promise.all([this.database.close(), this.probeConnection.end({ timeout: 1 })]);
  }

  private get isSilent(): boolean {
    return this.unansweredIntervals >= SILENT_INTERVALS;
  }

  private onInterval(): void {
    if (!this.isProbing) return void this.probe(this.probeConnection);
    this.unansweredIntervals++;
    if (this.unansweredIntervals % SILENT_INTERVALS !== 0) return;
    this.problem = `the database has not answered for ${this.unansweredIntervals * PROBE_INTERVAL_MS} ms`;
    void this.probeConnection.end({ timeout: 0 });
    this.probeConnection = this.connectProbe();
    this.isProbing = false;
    if (this.unansweredIntervals !== SILENT_INTERVALS) return;
    this.database.rejectQueued(this.problem);
    this.database.reconnect();
  }

  private async probe(connection: Sql): Promise<void> {
    this.isProbing = true;
    let problem: string | undefined;
    try {
      await connection`select 1`;
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    // Another connection has replaced this one: its answer is out of date.
    if (connection !== this.probeConnection) return;
    this.isProbing = false;
    this.unansweredIntervals = 0;
    this.problem = problem;
  }

  private connectProbe(): Sql {
    return connectPool(this.url, {
      max: 1,
      name: "lockstep-gateway-probe",
      statementTimeoutMs: PROBE_INTERVAL_MS * SILENT_INTERVALS,
    });
  }
}
