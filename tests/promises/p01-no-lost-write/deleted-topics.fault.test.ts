/** Relay and stream while topics are deleted: they create them again, lose nothing that the source has, and report. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Admin, ConfigResourceTypes, Kafka, logLevel } from "kafkajs";
import { produceRaw } from "../../../chaos/faults/events/raw-producer.ts";
import type { ConditionName } from "../../../contracts/conditions.ts";
import { encodeEvent, header } from "../../../contracts/event.ts";
import {
  controlTopic,
  deadLetterTopic,
  eventsTopic,
  receiptsTopic,
  replicaTopic,
  versionsTopic,
} from "../../../contracts/topics.ts";
import { connectLog } from "../../../kafka/connect-log.ts";
import type { Log, StoredRecord } from "../../../kafka/log.ts";
import { createLogger } from "../../../observability/logger.ts";
import { clearLosses } from "../../../operations/clear-losses.ts";
import { setPaused } from "../../../operations/pause/control.ts";
import { connectDedicated, type Sql } from "../../../platform/postgres/connect.ts";
import { startBrokers, type TestBrokers } from "../../harness/brokers.ts";
import { productDocument, upsertEvent } from "../../harness/product-events.ts";
import { eventually, freePort, freshDatabase, temporaryFolder } from "../../harness/servers.ts";
import { ServiceProcess } from "../../harness/service-process.ts";
import { product, project } from "../../project/index.ts";

const events = eventsTopic(product).name;
const catalog = replicaTopic(product, "catalog").name;
const versions = versionsTopic(product).name;
const logger = createLogger("test", "1", "silent");

let brokers: TestBrokers;
let admin: Admin;
let log: Log;
let sql: Sql;
let relay: ServiceProcess;
let stream: ServiceProcess;

beforeAll(async () => {
  brokers = await startBrokers(1);
  admin = new Kafka({ brokers: [...brokers.addresses], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  log = await connectLog({ brokers: brokers.addresses, clientId: "test", logger });
  const url = await freshDatabase();
  const env = { KAFKA_BROKERS: brokers.addresses.join(), LOCKSTEP_PARTITIONS: "1", LOCKSTEP_LOG_LEVEL: "info" };
  relay = new ServiceProcess("relay", { ...env, DATABASE_URL: url, PORT: String(await freePort()) });
  const state = { LOCKSTEP_STATE_DIR: temporaryFolder("stream") };
  stream = new ServiceProcess("stream", { ...env, ...state, PORT: String(await freePort()) });
  await Promise.all([relay.untilReady(), stream.untilReady()]);
  sql = connectDedicated(url, "test");
}, 120_000);

afterAll(async () => {
  await sql.end();
  await relay[Symbol.asyncDispose]();
  await stream[Symbol.asyncDispose]();
  await admin.disconnect();
  await log.close();
  await brokers.stop();
}, 60_000);

async function recordsOf(topic: string): Promise<StoredRecord[]> {
  const { first, next } = (await log.offsets(topic)).get(0)!;
  const records: StoredRecord[] = [];
  for await (const page of log.read({ topic, partition: 0 }, first, next)) records.push(...page);
  return records;
}

async function insert(count: number): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`
    insert into products (sku, name, price)
    select gen_random_uuid(), 'N', 1 from generate_series(1, ${count}) returning id`;
  return rows.map(({ id }) => id);
}

const untilRouted = (ids: readonly string[], topic = catalog) =>
  eventually(
    async () => {
      const keys = new Set((await recordsOf(topic)).map(({ key }) => String(key)));
      return ids.every((id) => keys.has(id));
    },
    { timeoutMs: 30_000, what: `${ids.length} products in ${topic}`, everyMs: 100 },
  );

const problemOf = async ({ url }: ServiceProcess, condition: ConditionName): Promise<string | undefined> => {
  const { checks } = (await (await fetch(`${url}/health/ready`)).json()) as {
    checks: { condition: string; problem: string | null }[];
  };
  return checks.find((check) => check.condition === condition && check.problem)?.problem ?? undefined;
};
const untilPresent = (service: ServiceProcess, condition: ConditionName) =>
  eventually(() => problemOf(service, condition), { timeoutMs: 10_000, what: `${condition} to be present` });
const untilAbsent = (service: ServiceProcess, condition: ConditionName) =>
  eventually(async () => !(await problemOf(service, condition)), { timeoutMs: 10_000, what: `${condition} to end` });

test("P1: products.events is created again, what the source has is routed, and the loss is reported until cleared", async () => {
  const before = await insert(5);
  await untilRouted(before);
  await admin.deleteTopics({ topics: [events] });
  const since = new Date();
  await untilRouted(await insert(8));
  expect(await untilPresent(relay, "events-lost")).toMatch(/^products\.events lost \d+ acknowledged records/);
  await clearLosses({ sql, log, project }, since);
  expect(await problemOf(relay, "events-lost")).toBeDefined();
  await clearLosses({ sql, log, project }, new Date());
  await untilAbsent(relay, "events-lost");
}, 120_000);

test("products.to.catalog is created again, and its loss is reported until cleared", async () => {
  await untilRouted(await insert(3));
  await admin.deleteTopics({ topics: [catalog] });
  await untilRouted(await insert(3));
  expect(await untilPresent(stream, "records-lost")).toMatch(/^products\.to\.catalog lost \d+ offsets/);
  await clearLosses({ sql, log, project }, new Date());
  await untilAbsent(stream, "records-lost");
}, 120_000);

test("records that someone deletes from products.to.catalog are reported", async () => {
  await untilRouted(await insert(3));
  const { next } = (await log.offsets(catalog)).get(0)!;
  // A new client: the other one still knows the leader of the topic that was deleted.
  const other = new Kafka({ brokers: [...brokers.addresses], logLevel: logLevel.NOTHING }).admin();
  await other.connect();
  await other.fetchTopicOffsets(catalog);
  // Kafka deletes records only from topics with the policy "delete".
  const configEntries = [{ name: "cleanup.policy", value: "compact,delete" }];
  const resources = [{ type: ConfigResourceTypes.TOPIC, name: catalog, configEntries }];
  await other.alterConfigs({ validateOnly: false, resources });
  await other.deleteTopicRecords({ topic: catalog, partitions: [{ partition: 0, offset: String(next - 1) }] });
  await other.disconnect();
  expect(await untilPresent(stream, "records-lost")).toMatch(/^products\.to\.catalog lost \d+ offsets/);
  await clearLosses({ sql, log, project }, new Date());
  await untilAbsent(stream, "records-lost");
}, 120_000);

test("products.versions is written again from the stream's local file", async () => {
  const rows = await sql<{ id: string }[]>`select id from products`;
  await untilRouted(
    rows.map(({ id }) => id),
    versions,
  );
  const before = (await log.topicIds([versions])).get(versions);
  await admin.deleteTopics({ topics: [versions] });
  await eventually(async () => ![before, undefined].includes((await log.topicIds([versions])).get(versions)), {
    timeoutMs: 10_000,
    what: "products.versions to be created again",
  });
  await untilRouted(
    rows.map(({ id }) => id),
    versions,
  );
  expect(await problemOf(stream, "records-lost")).toBeUndefined();
}, 120_000);

test("the other topics are created again, and pauses work afterwards", async () => {
  const topics = [deadLetterTopic(product), controlTopic(project), receiptsTopic(project)].map(({ name }) => name);
  await setPaused({ log, project }, "stream", true);
  await untilPresent(stream, "paused");
  await admin.deleteTopics({ topics });
  await eventually(async () => (await log.topicIds(topics)).size === topics.length, {
    timeoutMs: 10_000,
    what: "the topics to exist again",
  });
  await setPaused({ log, project }, "stream", false);
  await untilAbsent(stream, "paused");
  await produceRaw(brokers.addresses, events, [{ key: "invalid", value: "{" }]);
  await eventually(async () => (await recordsOf(deadLetterTopic(product).name)).length > 0, {
    timeoutMs: 30_000,
    what: "the dead letter of the invalid event",
  });
}, 120_000);

test("P1: a running stream routes each event of an input that was replaced by one of the same length", async () => {
  await relay[Symbol.asyncDispose]();
  const { next } = (await log.offsets(events)).get(0)!;
  await admin.deleteTopics({ topics: [events] });
  await eventually(
    () =>
      admin.createTopics({
        topics: [{ topic: events, numPartitions: 1, replicationFactor: 1 }],
        waitForLeaders: true,
      }),
    { timeoutMs: 10_000, what: "the topic to be created" },
  ).catch(() => {}); // The stream may be faster.
  const ids = Array.from({ length: next + 3 }, () => crypto.randomUUID() as string);
  await produceRaw(
    brokers.addresses,
    events,
    ids.map((id) => encodeEvent(upsertEvent(productDocument({ id })))),
  );
  await untilRouted(ids);
  const routed = (await recordsOf(catalog)).filter(({ key }) => ids.includes(String(key)));
  expect(routed.map(({ headers }) => headers[header.version])).toEqual(ids.map(() => "1"));
}, 120_000);

test("no process ended", () => {
  expect(stream.output.match(/"started"/g)).toHaveLength(1);
  expect(relay.output.match(/"started"/g)).toHaveLength(1);
  expect(stream.output).not.toContain("unexpected error");
});
