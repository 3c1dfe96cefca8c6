/** Faults of PostgreSQL's sessions: a server that is read-only, one without free connections, and ended sessions. */
import type { Sql } from "postgres";
import { sleep } from "../../../platform/async/sleep.ts";
import { codeOf } from "../../../platform/postgres/errors.ts";
import type { Fault } from "../../fault.ts";
import type { Random } from "../../random.ts";
import { databaseNames, databaseUrl, inSession, openSession } from "./databases.ts";

const TOO_MANY_CONNECTIONS = "53300";
/** Sessions that open concurrently: each costs both sides a password check. */
const CONCURRENT_OPENS = 5;
const REFILL_MS = 20;

/** Ends sessions of Lockstep in the session's database; all of them, or each with the probability `p`. */
async function endSessions(sql: Sql, random: Random, p = 1): Promise<void> {
  const sessions = await sql<{ pid: number }[]>`
    select pid from pg_stat_activity
    where datname = current_database() and application_name like 'lockstep%'
    order by pid`;
  const pids = sessions.map(({ pid }) => pid).filter(() => random.chance(p));
  if (pids.length > 0) await sql`select pg_terminate_backend(pid) from unnest(${`{${pids}}`}::text::int[]) as pid`;
}

/** New sessions cannot write; those that were open end, so that each service gets a new one. */
const readOnly: Fault = {
  name: "postgres-read-only",
  summary: "PostgreSQL rejects all writes, as a standby does.",
  lastsMs: [3_000, 15_000],
  shows: ["source-read-only", "database-read-only"],
  subjects: databaseNames,
  async inject({ system, subject, random }) {
    const url = databaseUrl(system, subject);
    const setDefault = (change: string) =>
      inSession(url, async (sql) => {
        const [row] = await sql<{ name: string }[]>`select quote_ident(current_database()) as name`;
        await sql.unsafe(`alter database ${row!.name} ${change}`);
        if (change.startsWith("set")) await endSessions(sql, random);
      });
    const end = () => setDefault("reset default_transaction_read_only");
    try {
      await setDefault("set default_transaction_read_only = on");
    } catch (error) {
      await end();
      throw error;
    }
    return end;
  },
};

/** Sessions that leave no connection for others. */
class AllConnections {
  private readonly sessions = new Set<Sql>();
  private isHeld = true;
  private refilling: Promise<void> | undefined;

  constructor(private readonly url: string) {}

  /** Takes all free connections. @throws {Error} when the server does not respond. */
  async take(): Promise<void> {
    await Promise.all(
      Array.from({ length: CONCURRENT_OPENS }, async () => {
        while (await this.open());
      }),
    );
  }

  /** Takes each connection that becomes free, until {@link release}. */
  keep(): void {
    this.refilling ??= this.refill();
  }

  async release(): Promise<void> {
    this.isHeld = false;
    await this.refilling;
    await Promise.all([...this.sessions].map((sql) => sql.end({ timeout: 1 })));
  }

  private async refill(): Promise<void> {
    while (this.isHeld) if (!(await this.open().catch(() => false))) await sleep(REFILL_MS);
  }

  private async open(): Promise<boolean> {
    const sql = openSession(this.url);
    try {
      await sql`select 1`;
      this.sessions.add(sql);
      return true;
    } catch (error) {
      await sql.end({ timeout: 0 });
      if (codeOf(error) === TOO_MANY_CONNECTIONS) return false;
      throw error;
    }
  }
}

const connectionLimit: Fault = {
  name: "postgres-connection-limit",
  summary: "PostgreSQL has no free connection, and half of Lockstep's sessions have ended.",
  lastsMs: [3_000, 12_000],
  subjects: databaseNames,
  async inject({ system, subject, random }) {
    const url = databaseUrl(system, subject);
    const connections = new AllConnections(url);
    try {
      await inSession(url, async (sql) => {
        await sql`select 1`; // so that the session exists before none is free
        await connections.take();
        await endSessions(sql, random, 0.5);
        await connections.take();
        connections.keep(); // also the connection of this session
      });
    } catch (error) {
      await connections.release();
      throw error;
    }
    return () => connections.release();
  },
};

const endedSessions: Fault = {
  name: "postgres-sessions-ended",
  summary: "PostgreSQL ends half of Lockstep's sessions, also in the middle of a statement.",
  lastsMs: [0, 0],
  subjects: databaseNames,
  async inject({ system, subject, random }) {
    await inSession(databaseUrl(system, subject), (sql) => endSessions(sql, random, 0.5));
    return async () => {};
  },
};

/** Faults of sessions. */
export const sessionFaults: readonly Fault[] = [readOnly, connectionLimit, endedSessions];
