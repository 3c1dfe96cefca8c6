/** Watches a system during a run: conditions, row counts, and when all copies are equal. */
import type { Sql } from "postgres";
import { connectLog } from "../kafka/connect-log.ts";
import type { Log } from "../kafka/log.ts";
import { createLogger } from "../observability/logger.ts";
import { sleep, sleepUnlessAborted } from "../platform/async/sleep.ts";
import { connectPool } from "../platform/postgres/connect.ts";
import { lastingConditions, type RowCount, type Run } from "./checker.ts";
import { actualRows, copies, differencesOf, expectedRows } from "./rest/copies.ts";
import type { System } from "./system.ts";

const INTERVAL_MS = 500;
const STATEMENT_TIMEOUT_MS = 20_000;

/** Connections of chaos itself to the databases and the log. */
export class Observer implements AsyncDisposable {
  readonly source: Sql;
  readonly replicas: ReadonlyMap<string, Sql>;
  /** What {@link watch} has seen so far. */
  readonly statuses: Run["statuses"][number][] = [];
  readonly rowCounts: RowCount[] = [];

  private constructor(
    private readonly system: System,
    readonly log: Log,
  ) {
    const connect = (url: string): Sql =>
      connectPool(url, { max: 2, name: "chaos", statementTimeoutMs: STATEMENT_TIMEOUT_MS });
    const { sourceDatabase, replicaDatabases } = system.addresses;
    this.source = connect(sourceDatabase);
    this.replicas = new Map([...replicaDatabases].map(([name, url]) => [name, connect(url)]));
  }

  /** @throws {Error} when no broker responds within 20 s. */
  static async connect(system: System): Promise<Observer> {
    const logger = createLogger("chaos", "1", "silent");
    return new Observer(system, await connectLog({ brokers: system.addresses.brokers, clientId: "chaos", logger }));
  }

  /** Records conditions and row counts until the signal aborts. A part that does not respond leaves no row count. */
  async watch(now: () => number, signal: AbortSignal): Promise<void> {
    const everySecond = async (work: () => Promise<void>) => {
      while (!signal.aborted) {
        await work().catch(() => {});
        await sleepUnlessAborted(INTERVAL_MS, signal);
      }
    };
    await Promise.all([
      everySecond(async () => {
        const conditions = await this.system.conditions();
        this.statuses.push({ at: now(), conditions });
      }),
      ...[...this.replicas].map(([replica, database]) =>
        everySecond(async () => {
          const expected = await count(this.source, copies[replica]!.where);
          const actual = await count(database, "true");
          this.rowCounts.push({ at: now(), replica, expected, actual });
        }),
      ),
    ]);
  }

  /** Waits until the status shows nothing that a run has to end, at most `timeoutMs`. @param from a time of the run. */
  async untilCalm(from: number, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const deadline = Date.now() + timeoutMs;
    const isCalm = ({ at, conditions }: Run["statuses"][number]) =>
      at >= from && conditions.every((condition) => lastingConditions.includes(condition));
    while (!this.statuses.some(isCalm) && Date.now() < deadline) await sleep(INTERVAL_MS / 5, signal);
  }

  /** Waits until all copies equal the source. @returns what still differs after `timeoutMs`; empty: all are equal. */
  async untilInStep(timeoutMs: number, signal: AbortSignal): Promise<string[]> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const differences = await this.differences().catch((error: Error) => [
        `a database does not answer: ${error.message}`,
      ]);
      if (differences.length === 0 || Date.now() > deadline) return differences;
      await sleep(INTERVAL_MS, signal);
    }
  }

  private async differences(): Promise<string[]> {
    const found: string[] = [];
    for (const [name, database] of this.replicas)
      found.push(...differencesOf(name, await expectedRows(this.source, name), await actualRows(database, name)));
    return found;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.source, ...this.replicas.values()].map((sql) => sql.end({ timeout: 1 })));
    await this.log.close();
  }
}

async function count(sql: Sql, where: string): Promise<number> {
  const [row] = await sql.unsafe<{ count: number }[]>(`select count(*)::int as count from products where ${where}`);
  return row?.count ?? 0;
}
