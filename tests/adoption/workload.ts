/**
 * Writers that change the sample tables by random SQL, at a bounded rate. They know only PostgreSQL, so their waits
 * show what capture costs them. One seed gives the same operations for each writer, not the same order among writers.
 */
import { Client } from "pg";
import { type Random, seededRandom } from "../../chaos/random.ts";
import { sleepUnlessAborted } from "../../platform/async/sleep.ts";
import { copyFrom } from "./copy-query.ts";
import type { SchemaName } from "./load-schemas.ts";
import type { KeyBounds, Operation, Statement } from "./operations/operation.ts";
import { rentalOperations } from "./operations/rental.ts";
import { saasOperations } from "./operations/saas.ts";
import { tradeOperations } from "./operations/trade.ts";

const OPERATIONS: Readonly<Record<SchemaName, readonly Operation[]>> = {
  rental: rentalOperations,
  trade: tradeOperations,
  saas: saasOperations,
};

/** Errors that concurrent random writers meet on any database: conflicts of keys, of locks and of snapshots. */
const EXPECTED_ERRORS = new Set(["23505", "23503", "23P01", "40001", "40P01"]);
const MAX_KEPT_ERRORS = 50;
const MAX_KEPT_WAITS = 10;

export interface WorkloadOptions {
  readonly url: string;
  /** Any text. */
  readonly seed: string;
  readonly seconds: number;
  /** Operations per second of all writers together. An operation is one statement or one transaction. Default 100. */
  readonly perSecond?: number;
  /** Concurrent sessions. Default 4. */
  readonly writers?: number;
  /** Default: all three. */
  readonly schemas?: readonly SchemaName[];
  /** Leaves out operations, for example those that use TRUNCATE. */
  readonly skip?: (operation: Operation) => boolean;
  /** Ends the workload before its time. */
  readonly signal?: AbortSignal;
}

/** A statement that took long. */
export interface Wait {
  readonly ms: number;
  /** Seconds since the workload began. */
  readonly atSeconds: number;
  readonly operation: string;
  readonly statement: string;
}

export interface UnexpectedError {
  readonly operation: string;
  readonly statement: string;
  readonly code: string | undefined;
  readonly message: string;
}

export interface WorkloadReport {
  readonly seed: string;
  readonly seconds: number;
  /** Operations that ended as they should: committed, or rolled back on purpose. */
  readonly operations: number;
  readonly statements: number;
  /** Committed and failed operations by name. */
  readonly byOperation: Readonly<Record<string, { readonly done: number; readonly failed: number }>>;
  /** Expected errors by SQLSTATE. A deadlock is 40P01. */
  readonly expectedErrors: Readonly<Record<string, number>>;
  /** At most 50. Empty unless something is wrong. */
  readonly unexpectedErrors: readonly UnexpectedError[];
  /** Times of single statements, COMMIT included. */
  readonly waitMs: { readonly p50: number; readonly p99: number; readonly max: number };
  /** The ten longest waits, the longest first. */
  readonly longestWaits: readonly Wait[];
}

/** What all writers of a run count together. */
class Tally {
  readonly started = performance.now();
  readonly waits: number[] = [];
  longest: Wait[] = [];
  readonly byOperation: Record<string, { done: number; failed: number }> = {};
  readonly expectedErrors: Record<string, number> = {};
  readonly unexpectedErrors: UnexpectedError[] = [];

  recordWait(ms: number, operation: string, statement: string): void {
    this.waits.push(ms);
    if (this.longest.length === MAX_KEPT_WAITS && ms <= this.longest.at(-1)!.ms) return;
    const wait = { ms, atSeconds: (performance.now() - this.started) / 1_000, operation, statement };
    this.longest = [...this.longest, wait].sort((a, b) => b.ms - a.ms).slice(0, MAX_KEPT_WAITS);
  }

  recordEnd(operation: string, failed: boolean): void {
    this.byOperation[operation] ??= { done: 0, failed: 0 };
    this.byOperation[operation][failed ? "failed" : "done"]++;
  }

  recordError(error: Error & { code?: string }, operation: string, statement: string): void {
    const { code, message } = error;
    if (code && EXPECTED_ERRORS.has(code)) this.expectedErrors[code] = (this.expectedErrors[code] ?? 0) + 1;
    else if (this.unexpectedErrors.length < MAX_KEPT_ERRORS)
      this.unexpectedErrors.push({ operation, statement, code, message });
  }

  report(seed: string): WorkloadReport {
    const sorted = this.waits.sort((a, b) => a - b);
    const quantile = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))] ?? 0;
    return {
      seed,
      seconds: (performance.now() - this.started) / 1_000,
      operations: Object.values(this.byOperation).reduce((sum, { done }) => sum + done, 0),
      statements: sorted.length,
      byOperation: this.byOperation,
      expectedErrors: this.expectedErrors,
      unexpectedErrors: this.unexpectedErrors,
      waitMs: { p50: quantile(0.5), p99: quantile(0.99), max: sorted.at(-1) ?? 0 },
      longestWaits: this.longest,
    };
  }
}

/**
 * Runs the writers until the time is up. The tables must be loaded and filled.
 *
 * @returns what was done; also when statements failed, so that the caller decides what is a fault.
 */
export async function runWorkload(options: WorkloadOptions): Promise<WorkloadReport> {
  const { url, seed, seconds, perSecond = 100, writers = 4, schemas = ["rental", "trade", "saas"], skip } = options;
  const { signal = new AbortController().signal } = options;
  const operations = schemas.flatMap((name) => OPERATIONS[name]).filter((one) => !skip?.(one));
  const bounds = await readBounds(url);
  const tally = new Tally();
  const until = tally.started + seconds * 1_000;
  const ended = () => signal.aborted || performance.now() >= until;
  const write = async (writer: number): Promise<void> => {
    const random = seededRandom(`${seed}/${writer}`);
    const deck = operations.flatMap((operation) => Array.from({ length: operation.weight }, () => operation));
    const client = new Client({ connectionString: url, application_name: "workload" });
    const session = new Session(client, tally);
    try {
      await client.connect();
      for (let turn = 0; !ended(); turn++) {
        const due = tally.started + ((turn + writer / writers) * writers * 1_000) / perSecond;
        if (due > performance.now()) await sleepUnlessAborted(Math.min(due, until) - performance.now(), signal);
        if (!ended()) await session.carryOut(random.pick(deck), random, bounds);
      }
    } finally {
      await client.end();
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, writer) => write(writer)));
  return tally.report(seed);
}

/** One writer's session. */
class Session {
  constructor(
    private readonly client: Client,
    private readonly tally: Tally,
  ) {}

  async carryOut({ name, statements }: Operation, random: Random, bounds: KeyBounds): Promise<void> {
    const list = statements(random, bounds);
    const inTransaction = list.length > 1;
    const ends = list.at(-1) === "rollback" ? [] : ["commit"];
    let current: Statement = "";
    try {
      for (current of inTransaction ? ["begin", ...list, ...ends] : list) await this.execute(current, name);
      this.tally.recordEnd(name, false);
    } catch (error) {
      this.tally.recordEnd(name, true);
      this.tally.recordError(error as Error, name, typeof current === "string" ? current : current.copy);
      if (inTransaction) await this.client.query("rollback").catch(() => {});
    }
  }

  private async execute(statement: Statement, operation: string): Promise<void> {
    const start = performance.now();
    try {
      if (typeof statement === "string") await this.client.query(statement);
      else await copyFrom(this.client, statement.copy, statement.rows);
    } finally {
      const text = typeof statement === "string" ? statement : `copy ${statement.copy}`;
      this.tally.recordWait(performance.now() - start, operation, text);
    }
  }
}

/** The greatest keys of tables whose rows have numbers. */
async function readBounds(url: string): Promise<KeyBounds> {
  const client = new Client({ connectionString: url });
  const columns: Readonly<Record<string, string>> = {
    actor: "max(actor_id) from actor",
    film: "max(film_id) from film",
    customer: "max(customer_id) from customer",
    inventory: "max(inventory_id) from inventory",
    rental: "max(rental_id) from rental",
    payment: "max(payment_id) from payment",
    product: 'max("ProductID") from trade."Products"',
    order: 'max("OrderID") from trade."Orders"',
    movement: "max(movement_id) from trade.stock_movement",
    user: "count(*) from app.users",
    task: "max(id) filter (where id < 1000000) from app.tasks",
    contact: "max(id) from app.contacts",
    invoice: "count(*) from billing.invoices",
    payments: "max(id) from billing.payments",
  };
  try {
    await client.connect();
    const parts = Object.entries(columns).map(([name, expression]) => `select '${name}' as name, ${expression}`);
    const { rows } = await client.query<{ name: string; max: string | null }>(parts.join(" union all "));
    return Object.fromEntries(rows.map(({ name, max }) => [name, Math.max(1, Number(max))]));
  } finally {
    await client.end();
  }
}
