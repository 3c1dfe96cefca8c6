/**
 * The source's PostgreSQL as the gateway uses it: bounded, and probed on a connection of its own.
 *
 * States: starting → available ⇄ unavailable or read-only, available ⇄ silent.
 * - starting: the schema may not be up to date. Every statement is rejected.
 * - available: statements run.
 * - unavailable: the database rejects connections, or nothing listens. Statements still try: they fail at once, and the
 *   first that succeeds finds the database available again.
 * - read-only: the database rejects writes. A session may have this state from its start, so a new connection probes
 *   each time. When it can write again, new connections replace those of the pool.
 * - silent: connections are open, but nothing answers (a stopped server, a cut cable). Statements in flight fail with
 *   an unknown outcome, later ones are rejected, and a new connection continues to probe.
 */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { quotedTable, type Table } from "../contracts/entity/table.ts";
import type { PoolUse } from "../observability/gauges.ts";
import { connectPool, type Sql } from "../platform/postgres/connect.ts";
import { Database } from "../platform/postgres/database.ts";
import { DatabaseUnavailableError, isConnectionError, isReadOnly } from "../platform/postgres/errors.ts";
import type { Check } from "../platform/service.ts";
import probeSql from "./statements/probe.sql" with { type: "text" };
import { WriteOutcomes } from "./write-outcomes.ts";

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
/** Part of probe.sql. A missing table is not in the list: `missing` reports it. */
const UNCAPTURED =
  "(select jsonb_agg(entity) from tables where entity is not null and not lockstep.is_captured(entity, relation))";
const probeText = probeSql.replace("{uncaptured}", UNCAPTURED);
/** Before the migrations have run. */
const firstProbeText = probeSql.replace("{uncaptured}", "null::jsonb");
/** Statements per connection that may wait (P14). */
const WAITING_PER_CONNECTION = 50;

/** Bounds of the gateway's use of the source. */
interface SourceSettings {
  /** Connections in the pool. The probe uses one more. */
  readonly connections: number;
  /** Longest run time of one statement in the database, in milliseconds. */
  readonly statementTimeoutMs: number;
}

/** The answer of probe.sql. */
interface ProbeRow {
  readonly read_only: boolean;
  readonly standby: boolean;
  readonly missing: string | null;
  readonly uncaptured: readonly string[] | null;
}

/** A table that the gateway writes. */
interface WrittenTable {
  /** Undefined: a table of children, which is captured with its parent. */
  readonly entity?: string;
  /** Quoted name. */
  readonly table: string;
  /** The name for people. */
  readonly name: string;
}

/** The tables that the gateway writes for these entities. */
export const tablesOf = (entities: readonly EntityDeclaration[]): WrittenTable[] =>
  entities.flatMap(({ name, table, children }) => [
    { entity: name, ...namesOf(table) },
    ...Object.values(children).map((child) => namesOf(child.table)),
  ]);

const namesOf = (table: Table) => ({
  table: quotedTable(table),
  name: table.schema === undefined ? table.name : `${table.schema}.${table.name}`,
});

/** The gateway's pool of connections to the source, and its health. */
export class Source {
  private readonly database: Database;
  private probeConnection: Sql;
  private readonly probeTimer: Timer;
  /** The outcomes of writes, for the condition `writes-failing`. */
  readonly outcomes = new WriteOutcomes();
  private tables: readonly WrittenTable[] = [];
  private isSchemaReady = false;
  private isProbing = false;
  private unansweredIntervals = 0;
  private problem: string | undefined;
  private answer: ProbeRow | undefined;
  /** Entities whose changes are not captured, by the last answer. */
  private uncaptured: readonly string[] = [];
  /**
   * A new connection may meet another state than the present ones: a statement or the last probe failed. Until it is
   * known to work, each probe opens one.
   */
  private isSuspect = false;
  /** The pool has connections that were read-only. */
  private isPoolReadOnly = false;

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

  /**
   * Marks the schema as up to date. Until then every statement is rejected.
   *
   * @param tables the tables that the gateway writes: what keeps them from being written, or captured, is reported.
   */
  schemaIsUpToDate(tables: readonly WrittenTable[] = []): void {
    this.isSchemaReady = true;
    this.tables = tables;
  }

  /** Runs one statement. @throws {DatabaseUnavailableError} and the errors of the database. */
  async query<T>(work: (sql: Sql) => PromiseLike<T>): Promise<T> {
    if (!this.isSchemaReady) throw new DatabaseUnavailableError("the schema is not up to date yet", false);
    if (this.isSilent) throw new DatabaseUnavailableError("the database does not answer", false);
    try {
      return await this.database.query(work);
    } catch (error) {
      if (isReadOnly(error)) this.isPoolReadOnly = true;
      if (isReadOnly(error) || isConnectionError(error)) this.isSuspect = true;
      throw error;
    }
  }

  /** False while changes of the entity's table bypass the outbox. Known within a second while the source answers. */
  isCaptured(entity: string): boolean {
    return !this.uncaptured.includes(entity);
  }

  /** Use of the pool at this moment. */
  get use(): PoolUse {
    return this.database.use;
  }

  /** The database answers, accepts writes, has what the gateway needs, and captures the writes. */
  readonly checks: readonly Check[] = [
    {
      condition: "source-unavailable",
      blocksReadiness: true,
      problem: () => this.problem ?? (this.isSchemaReady ? undefined : "the schema is not up to date yet"),
    },
    {
      condition: "source-read-only",
      blocksReadiness: true,
      problem: () => {
        if (!this.answer?.read_only) return undefined;
        return this.answer.standby ? "the server is a standby" : "default_transaction_read_only is on";
      },
    },
    {
      condition: "writes-failing",
      blocksReadiness: false,
      problem: () => this.answer?.missing ?? undefined,
    },
    {
      condition: "capture-incomplete",
      blocksReadiness: false,
      problem: () =>
        this.uncaptured.length === 0
          ? undefined
          : `the database does not capture changes of ${this.uncaptured.join(", ")}; the gateway rejects these writes`,
    },
    this.outcomes.check,
  ];

  /** Closes all connections. Statements in flight get 1 s to end. */
  async close(): Promise<void> {
    clearInterval(this.probeTimer);
    await Promise.all([this.database.close(), this.probeConnection.end({ timeout: 1 })]);
  }

  private get isSilent(): boolean {
    return this.unansweredIntervals >= SILENT_INTERVALS;
  }

  private onInterval(): void {
    if (!this.isProbing) {
      if (this.isSuspect) this.renewProbeConnection();
      return void this.probe(this.probeConnection);
    }
    this.unansweredIntervals++;
    if (this.unansweredIntervals % SILENT_INTERVALS !== 0) return;
    this.problem = `the database has not answered for ${this.unansweredIntervals * PROBE_INTERVAL_MS} ms`;
    this.renewProbeConnection();
    this.isProbing = false;
    if (this.unansweredIntervals !== SILENT_INTERVALS) return;
    this.database.rejectQueued(this.problem);
    this.database.reconnect();
  }

  private async probe(connection: Sql): Promise<void> {
    this.isProbing = true;
    const isNew = this.isSuspect;
    let problem: string | undefined;
    let answer: ProbeRow | undefined;
    try {
      const text = this.isSchemaReady ? probeText : firstProbeText;
      [answer] = await connection.unsafe<ProbeRow[]>(text, [JSON.stringify(this.tables)], { prepare: true });
    } catch (error) {
      problem = error instanceof Error ? error.message : String(error);
    }
    // Another connection has replaced this one: its answer is out of date.
    if (connection !== this.probeConnection) return;
    this.isProbing = false;
    this.unansweredIntervals = 0;
    this.problem = problem;
    this.answer = answer;
    if (answer) this.uncaptured = answer.uncaptured ?? [];
    if (!answer || answer.read_only) this.isSuspect = true;
    else if (isNew) this.onNewConnectionWorks();
  }

  private onNewConnectionWorks(): void {
    this.isSuspect = false;
    if (!this.isPoolReadOnly) return;
    this.isPoolReadOnly = false;
    this.database.renew();
  }

  private renewProbeConnection(): void {
    void this.probeConnection.end({ timeout: 0 });
    this.probeConnection = this.connectProbe();
  }

  private connectProbe(): Sql {
    return connectPool(this.url, {
      max: 1,
      name: "lockstep-gateway-probe",
      statementTimeoutMs: PROBE_INTERVAL_MS * SILENT_INTERVALS,
    });
  }
}
