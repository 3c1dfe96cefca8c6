/** Each condition of a running replica is provoked: seen within ten seconds, and gone within ten of its end. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import postgres, { type Sql } from "postgres";
import type { ConditionName } from "../contracts/conditions.ts";
import type { Document } from "../contracts/entity/document.ts";
import { deadLetterTopic, replicaTopic } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import type { Log, LogWriter } from "../kafka/log.ts";
import { partitionsOf } from "../kafka/log.ts";
import { partitionForKey } from "../kafka/partitioner.ts";
import { createMetrics } from "../observability/metrics.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import type { Service } from "../platform/service.ts";
import { readSettings } from "../platform/settings/settings.ts";
import { metric, request, untilVisible } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { entity, newId, routedMessage, silentLogger } from "../tests/harness/replica.ts";
import { brokerAddress, freePort, freshDatabase, redisUrl } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { startReplica } from "./main.ts";
import { migrationsOf } from "./migrations/index.ts";

const topic = replicaTopic(entity, "catalog").name;
let log: Log;
let writer: LogWriter;
let partitions: number;
let service: Service;
let url: string;
let database: string;
let sql: Sql;

beforeAll(async () => {
  database = await freshDatabase();
  sql = postgres(database, { max: 3, onnotice: () => {} });
  const port = await freePort();
  url = `http://127.0.0.1:${port}`;
  const settings = readSettings({
    DATABASE_URL: database,
    REDIS_URL: await redisUrl(),
    KAFKA_BROKERS: await brokerAddress(),
    PORT: String(port),
    LOCKSTEP_INSTANCE: `conditions-${newId()}`,
    LOCKSTEP_PARTITIONS: "4",
    LOCKSTEP_STATEMENT_TIMEOUT_MS: "1000",
  });
  service = await startReplica(
    { settings, logger: silentLogger, metrics: createMetrics("replica", "1"), project },
    "catalog",
  );
  log = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger: silentLogger });
  partitions = await log.partitionCount(topic);
  writer = await log.openWriter(`test-${newId()}`, partitionsOf(topic, partitions));
  await publish(newId());
  await eventually(async () => (await sql`select from products`).length > 0, { timeoutMs: 30_000, what: "a row" });
}, 120_000);
afterAll(async () => {
  await service.stop();
  await writer.close();
  await log.close();
  await sql.end({ timeout: 1 });
}, 60_000);

const publish = (id: string, version = 1, overrides: Document | null = {}) =>
  writer.write({ topic, partition: partitionForKey(id, partitions) }, [routedMessage(id, version, overrides)]);

interface ReadyBody {
  readonly checks: readonly { readonly condition: ConditionName; readonly problem: string | null }[];
}

/** The status of `/health/ready`, and what it says about a condition. */
async function ready(condition: ConditionName): Promise<{ status: number; problem: string | undefined }> {
  const { status, body } = await request("GET", `${url}/health/ready`);
  const found = (body as unknown as ReadyBody).checks.find((check) => check.condition === condition && check.problem);
  return { status, problem: found?.problem ?? undefined };
}

/** Waits until a condition is present. A replica stays ready with each of them. @returns what it says. */
async function untilPresent(condition: ConditionName, timeoutMs = 10_000): Promise<string> {
  const problem = await eventually(async () => (await ready(condition)).problem, { timeoutMs, what: condition });
  expect((await ready(condition)).status).toBe(200);
  expect(await metric(url, "lockstep_condition", { condition })).toBe(1);
  return problem;
}
async function untilAbsent(condition: ConditionName): Promise<void> {
  const isAbsent = async () => (await ready(condition)).problem === undefined;
  await eventually(isAbsent, { timeoutMs: 10_000, what: `the end of ${condition}` });
  expect(await metric(url, "lockstep_condition", { condition })).toBe(0);
}

test("P14: a read-only database is a condition; the flow continues within five seconds of its end, without a restart", async () => {
  const name = new URL(database).pathname.slice(1);
  const admin = postgres(database, { max: 1, connection: { default_transaction_read_only: false } });
  const id = newId();
  try {
    await admin.unsafe(`alter database ${name} set default_transaction_read_only = on`);
    await admin`select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and application_name like 'lockstep-catalog%'`;
    await publish(id);
    expect(await untilPresent("database-read-only")).toMatch(/read.only/);
    expect((await request("GET", `${url}/products/${id}`)).status).toBe(404);
  } finally {
    await admin.unsafe(`alter database ${name} reset default_transaction_read_only`);
    await admin.end();
  }
  await untilVisible(url, id, 1, 5_000);
  await untilAbsent("database-read-only");
  await positionsAreSaved();
  // A partition that could not save its position may have counted as stalled meanwhile.
  await untilAbsent("partition-stalled");
}, 60_000);

/** Positions are saved on other connections than rows. */
async function positionsAreSaved(): Promise<void> {
  const savedAt = async () => Number((await sql`select max(at) as at from lockstep.positions`)[0]!.at);
  const before = await savedAt();
  await eventually(async () => (await savedAt()) > before, { timeoutMs: 15_000, what: "positions to be saved again" });
}

test("P14: a row that another session locks stalls its partition, which is a condition, until the lock ends", async () => {
  const id = newId();
  await publish(id);
  await untilVisible(url, id, 1);
  const held = await sql.reserve();
  try {
    await held.unsafe("begin");
    await held`select from products where id = ${id} for update`;
    await publish(id, 2);
    expect(await untilPresent("partition-stalled", 20_000)).toMatch(
      /^no progress for \d+ s in products\.to\.catalog\/\d+: (another session has locked|canceling statement due to lock timeout)/,
    );
  } finally {
    await held.unsafe("rollback");
    held.release();
  }
  await untilVisible(url, id, 2, 10_000);
  await untilAbsent("partition-stalled");
}, 60_000);

test("P14: a table that accepts no row is a condition; a rejected row is one until a newer version replaces it", async () => {
  const rejected = newId();
  await sql`alter table products add constraint no_bad check (name <> 'bad')`;
  await publish(rejected, 1, { name: "bad" });
  expect(await untilPresent("dead-letters-open")).toBe("1 open dead letter");
  await publish(rejected, 2);
  await untilAbsent("dead-letters-open");
  for (const [breaks, repairs] of [
    ["alter table products rename to elsewhere", "alter table elsewhere rename to products"],
    [
      "alter table products alter column tags type int using 0",
      "alter table products alter column tags type text[] using '{}'",
    ],
    ["create rule no_row as on insert to products do instead nothing", "drop rule no_row on products"],
    ["alter schema lockstep rename to away", "alter schema away rename to lockstep"],
  ] as const) {
    const waiting = newId();
    await sql.unsafe(breaks);
    try {
      await publish(waiting);
      expect(await untilPresent("table-rejects")).toMatch(
        /table products accepts no row|relation "products" does not exist/,
      );
    } finally {
      await sql.unsafe(repairs);
    }
    await untilVisible(url, waiting, 1, 10_000);
    await untilAbsent("table-rejects");
  }
  expect((await ready("dead-letters-open")).problem).toBeUndefined();
}, 90_000);

test("P14: a replica starts with a table that lacks a column: only this entity waits until the table is repaired", async () => {
  const other = await freshDatabase();
  await migrate(other, migrationsOf(project, "catalog"), silentLogger);
  const admin = postgres(other, { max: 1, onnotice: () => {} });
  await admin`alter table products rename stock to supply`;
  const port = await freePort();
  const settings = readSettings({
    DATABASE_URL: other,
    KAFKA_BROKERS: await brokerAddress(),
    PORT: String(port),
    LOCKSTEP_INSTANCE: `mismatch-${newId()}`,
    LOCKSTEP_PARTITIONS: "4",
  });
  const started = await startReplica(
    { settings, logger: silentLogger, metrics: createMetrics("replica", "1"), project },
    "catalog",
  );
  try {
    const problem = async () => {
      const { body } = await request("GET", `http://127.0.0.1:${port}/health/ready`);
      const { checks } = body as unknown as ReadyBody;
      return checks.find(({ condition }) => condition === "table-rejects")?.problem ?? undefined;
    };
    expect(await eventually(problem, { timeoutMs: 10_000, what: "the condition" })).toBe(
      "replica catalog: table public.products has no column stock. Add the columns by a migration.",
    );
    const status = async () => (await request("GET", `http://127.0.0.1:${port}/health/ready`)).status;
    await eventually(async () => (await status()) === 200, { timeoutMs: 10_000, what: "the replica to be ready" });
    await admin`alter table products rename supply to stock`;
    await eventually(async () => (await problem()) === undefined, { timeoutMs: 10_000, what: "its end" });
  } finally {
    await started.stop();
    await admin.end();
  }
}, 60_000);

test("P14: a dead letter that retention has deleted is not open any more", async () => {
  await sql`alter table products add constraint no_worse check (name <> 'worse')`;
  await publish(newId(), 1, { name: "worse" });
  await untilPresent("dead-letters-open");
  const deadLetters = deadLetterTopic(entity).name;
  const ends = [...(await log.offsets(deadLetters))];
  const admin = new Kafka({ brokers: [await brokerAddress()], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  try {
    await admin.fetchTopicMetadata({ topics: [deadLetters] });
    const upTo = ends.map(([partition, { next }]) => ({ partition, offset: String(next) }));
    await admin.deleteTopicRecords({ topic: deadLetters, partitions: upTo });
  } finally {
    await admin.disconnect();
  }
  await untilAbsent("dead-letters-open");
}, 60_000);
