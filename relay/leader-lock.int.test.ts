/** Leader election: a relay on standby ends the session of a leader without a heartbeat, and of no other process. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { sourceMigrations } from "../gateway/migrations/index.ts";
import { createLogger } from "../observability/logger.ts";
import type { Sql } from "../platform/postgres/connect.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { freshDatabase } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { LeaderLock } from "./leader-lock.ts";
import { openSourceSession, type SourceSession } from "./source-session.ts";

const urls: string[] = [];
const sessions: SourceSession[] = [];
beforeAll(async () => {
  for (let n = 0; n < 2; n++) {
    const url = await freshDatabase();
    await migrate(url, sourceMigrations(project), createLogger("test", "1", "silent"));
    urls.push(url);
  }
}, 60_000);
afterAll(() => Promise.all(sessions.map(({ sql }) => sql.end({ timeout: 1 }))));

/** The session of a relay in one of the two databases. */
class Relay {
  private constructor(
    readonly session: SourceSession,
    readonly lock: LeaderLock,
    readonly stopping = new AbortController(),
  ) {}

  static async start(name: string, database = 0): Promise<Relay> {
    const session = await openSourceSession(urls[database]!);
    session.closed.catch(() => {});
    sessions.push(session);
    return new Relay(session, new LeaderLock(session.sql, name));
  }

  get sql(): Sql {
    return this.session.sql;
  }

  acquire(): Promise<boolean> {
    return this.lock.acquire(this.stopping.signal);
  }

  /** The pid of the session. Another one than before: the session was ended, and the client has connected again. */
  async pid(): Promise<number> {
    const [row] = await this.sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    return row!.pid;
  }

  /** Gives the lock back, as the end of the process does. */
  async end(): Promise<void> {
    this.stopping.abort();
    await this.sql.end({ timeout: 1 });
  }
}

/** Waits until the relay has run the statement that ends the session of a stale leader. */
const untilJudged = async (observer: Relay, pid: number) =>
  eventually(
    async () => {
      const [row] = await observer.sql<{ query: string; state: string }[]>`
        select query, state from pg_stat_activity where pid = ${pid}`;
      return row!.query.includes("pg_terminate_backend") && row!.state === "idle";
    },
    { timeoutMs: 10_000, what: "the relay on standby to look at the leader's heartbeat", everyMs: 5 },
  );
const ageHeartbeat = (relay: Relay) =>
  relay.sql`update lockstep.relay_lease set heartbeat = clock_timestamp() - interval '1 minute'`;

test("P9: a new leader has a heartbeat from its first moment, and a standby relay leaves its session open", async () => {
  const [earlier, leader, standby] = [await Relay.start("a"), await Relay.start("b"), await Relay.start("c")];
  const observer = await Relay.start("observer");
  const pid = await standby.pid();
  expect(await earlier.acquire()).toBe(true);
  await ageHeartbeat(earlier);
  await earlier.end();
  expect(await leader.acquire()).toBe(true);
  const leaderPid = await leader.pid();
  const waiting = standby.acquire();
  await untilJudged(observer, pid);
  expect(await leader.pid()).toBe(leaderPid);
  expect(await leader.sql`select holder from lockstep.relay_lease`).toMatchObject([{ holder: "b" }]);
  standby.stopping.abort();
  expect(await waiting).toBe(false);
  await Promise.all([leader.end(), observer.end()]);
});

test("P9: a leader without a heartbeat loses its session to a standby relay, also when it resumes", async () => {
  const [leader, standby] = [await Relay.start("a"), await Relay.start("b")];
  expect(await leader.acquire()).toBe(true);
  await ageHeartbeat(leader);
  expect(await standby.acquire()).toBe(true);
  await expect(leader.session.closed).rejects.toThrow(
    "the relay's database session closed, so it no longer leads; the process must restart",
  );
  await standby.end();
});

test("P9: a standby relay ends no session of another database on the same server", async () => {
  const [stranger, stale, standby] = [await Relay.start("a", 0), await Relay.start("b", 1), await Relay.start("c", 1)];
  expect(await stranger.acquire()).toBe(true);
  const strangerPid = await stranger.pid();
  expect(await stale.acquire()).toBe(true);
  await ageHeartbeat(stale);
  expect(await standby.acquire()).toBe(true);
  expect(await stranger.pid()).toBe(strangerPid);
  await Promise.all([stranger.end(), standby.end()]);
});

test("a stop ends the wait for the lead", async () => {
  const [leader, standby] = [await Relay.start("a"), await Relay.start("b")];
  expect(await leader.acquire()).toBe(true);
  const waiting = standby.acquire();
  standby.stopping.abort();
  expect(await waiting).toBe(false);
  await Promise.all([leader.end(), standby.end()]);
});
