/** A leading relay on a real source, with the log in memory. */
import { expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { eventsTopic } from "../contracts/topics.ts";
import { sourceMigrations } from "../gateway/migrations/index.ts";
import { createLogger } from "../observability/logger.ts";
import { createMetrics } from "../observability/metrics.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { readSettings } from "../platform/settings/settings.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { freshDatabase } from "../tests/harness/servers.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { product, project } from "../tests/project/index.ts";
import { LOCK_SPACE } from "./leader-lock.ts";
import { Leadership } from "./leadership.ts";
import { openSourceSession } from "./source-session.ts";

const logger = createLogger("test", "1", "silent");
const at = { topic: eventsTopic(product).name, partition: 0 };
/** A source of its own for each test. */
class Source implements AsyncDisposable {
  private constructor(
    readonly url: string,
    readonly sql: Sql,
    /** A session in another database of the same server. */
    readonly admin: Sql,
  ) {}

  static async start(): Promise<Source> {
    const url = await freshDatabase();
    await migrate(url, sourceMigrations(project), logger);
    const elsewhere = new URL(url);
    elsewhere.pathname = "/postgres";
    const [sql, admin] = [url, elsewhere.href].map((each) => postgres(each, { max: 1, onnotice: () => {} }));
    return new Source(url, sql!, admin!);
  }

  get database(): string {
    return new URL(this.url).pathname.slice(1);
  }

  insert(): PromiseLike<unknown> {
    return this.sql`insert into products (sku, name, price) values (${Bun.randomUUIDv7()}, 'Cup', 1)`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.sql.end({ timeout: 1 }), this.admin.end({ timeout: 1 })]);
  }
}

const until = (check: () => unknown, what: string) => eventually(check, { timeoutMs: 20_000, what });

/** Starts a relay that only a NOTIFY wakes, and waits until it leads. */
async function lead({ url }: Source, log: SimulatedLog) {
  const settings = readSettings({
    DATABASE_URL: url,
    LOCKSTEP_CANARY_EVERY_S: "0",
    LOCKSTEP_RELAY_POLL_MS: "60000",
  });
  const leadership = new Leadership({ settings, logger, metrics: createMetrics("relay", "1"), project }, url);
  const session = await openSourceSession(url);
  session.closed.catch(() => {});
  const stopping = new AbortController();
  const running = leadership.run(session, log, stopping.signal);
  return {
    leadership,
    async [Symbol.asyncDispose]() {
      stopping.abort();
      await running;
      await session.sql.end({ timeout: 1 });
    },
  };
}

/** Waits until the relay holds the lock of its sleep, and its session is idle. */
const untilAsleep = ({ sql }: Source) =>
  until(async () => {
    const found = await sql`
      select from pg_locks join pg_stat_activity using (pid)
      where classid = ${LOCK_SPACE} and objid = 1 and mode = 'ExclusiveLock' and state = 'idle'
        and query not like '%pg_try_advisory_lock%'`;
    return found.length > 0;
  }, "the relay to sleep");

test("P1: a relay whose listening connection was lost finds the changes of that time", async () => {
  await using source = await Source.start();
  const { sql, admin, database } = source;
  const log = new SimulatedLog(1);
  await using _relay = await lead(source, log);
  await source.insert();
  await until(() => log.records(at).length === 1, "the first change in the topic");
  await untilAsleep(source);
  await admin.unsafe(`alter database ${database} allow_connections false`);
  const listening = () => sql`select pid from pg_stat_activity where application_name = 'lockstep-relay-listen'`;
  await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'lockstep-relay-listen'`;
  await until(async () => (await listening()).length === 0, "the listening connection to end");
  await source.insert();
  await admin.unsafe(`alter database ${database} allow_connections true`);
  await until(() => log.records(at).length === 2, "the change of the time without a listening connection in the topic");
});

test("P10: events that the log lost are a condition that says how many, until a resync clears them", async () => {
  await using source = await Source.start();
  const { sql } = source;
  const log = new SimulatedLog(1);
  {
    await using _relay = await lead(source, log);
    for (let n = 0; n < 3; n++) await source.insert();
    await until(async () => (await sql`select from lockstep.outbox`).length === 0, "all changes to be acknowledged");
  }
  log.records(at).length = 1;
  await using relay = await lead(source, log);
  const problem = await until(() => relay.leadership.lossCheck.problem(), "the condition events-lost");
  expect(problem).toMatch(/^products.events lost 2 acknowledged records in 1 partitions, first seen at \d{4}-/);
  await sql`select lockstep.clear_lost_events()`;
  await until(() => relay.leadership.lossCheck.problem() === undefined, "the condition to end");
});
