/** `lockstep status` on real databases and a real broker; the services are stubs, and the test takes their place. */
import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import postgres, { type Sql } from "postgres";
import type { ConditionName } from "../../contracts/conditions.ts";
import { encodeMark } from "../../contracts/dead-letter.ts";
import { eventsTopic, streamGroup } from "../../contracts/topics.ts";
import { sourceMigrations } from "../../gateway/migrations/index.ts";
import { connectLog } from "../../kafka/connect-log.ts";
import type { Log } from "../../kafka/log.ts";
import { ensureEntityTopics } from "../../pipeline/ensure-topics.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { readSettings } from "../../platform/settings/settings.ts";
import { startBrokers, type TestBrokers } from "../../tests/harness/brokers.ts";
import { deadLetterRecord } from "../../tests/harness/dead-letters.ts";
import { type ReplicaDatabase, replicaDatabase, silentLogger } from "../../tests/harness/replica.ts";
import { eventually, freePort, freshDatabase } from "../../tests/harness/servers.ts";
import { project } from "../../tests/project/index.ts";
import { type Addresses, Connections } from "../connect.ts";
import { setPaused } from "../pause/control.ts";
import { saveResults } from "../verify/results.ts";
import { readStatus, type Status } from "./status.ts";

const [entity] = project.entities;
let brokers: TestBrokers;
let log: Log;
let sourceUrl: string;
let source: Sql;
let catalog: ReplicaDatabase;
let storefront: ReplicaDatabase;
let service: ReturnType<typeof Bun.serve>;
/** Checks that every stub reports. */
let checks: object[] = [];

beforeAll(async () => {
  [brokers, catalog, storefront, sourceUrl] = await Promise.all([
    startBrokers(1),
    replicaDatabase("catalog"),
    replicaDatabase("storefront"),
    freshDatabase(),
  ]);
  await migrate(sourceUrl, sourceMigrations(project), silentLogger);
  source = postgres(sourceUrl, { max: 2, onnotice: () => {} });
  log = await connectLog({ brokers: brokers.addresses, clientId: "test", logger: silentLogger });
  await ensureEntityTopics(log, readSettings({}), project);
  await log.ensureTopics([{ name: "lockstep.control", config: {} }], {
    ...{ partitions: 1, replicationFactor: 1, minInSyncReplicas: 1 },
  });
  service = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => Response.json({ version: "1", checks }) });
}, 180_000);

afterAll(async () => {
  await service?.stop(true);
  await log?.close();
  await source?.end({ timeout: 1 });
  await catalog?.[Symbol.asyncDispose]();
  await storefront?.[Symbol.asyncDispose]();
  await brokers?.stop();
});

beforeEach(async () => {
  checks = [];
  await source`delete from products`;
  await source`delete from lockstep.outbox`;
  const equal = { entity: entity!.name, rows: 0, entries: 0, seconds: 1, differences: [], behind: false } as const;
  const results = ["catalog", "storefront"].map((replica) => ({ ...equal, replica, unknown: null, unsettled: 0 }));
  await saveResults(
    source,
    results.map((result) => ({ ...result, cache: "compared" })),
  );
});

const addresses = (changes: Partial<Addresses> = {}): Addresses => ({
  source: sourceUrl,
  replicas: new Map([
    ["catalog", catalog.url],
    ["storefront", storefront.url],
  ]),
  redis: undefined,
  brokers: brokers.addresses,
  security: {},
  services: ["gateway", "relay", "stream", "catalog", "storefront"].map((name) => ({
    ...{ name, kind: name, instance: 1, url: `http://127.0.0.1:${service.port}` },
  })),
  ...changes,
});

async function read(changes: Partial<Addresses> = {}, watchProgress = false): Promise<Status> {
  await using connections = new Connections(addresses(changes), silentLogger);
  return await readStatus(connections, project, { verifyEverySeconds: 900, watchProgress });
}
const found = ({ conditions }: Status) => conditions.map(({ condition, where }) => `${condition} ${where}`);

test("a system in which everything flows has no condition", async () => {
  expect(await read()).toMatchObject({ ok: true, conditions: [], deadLetters: 0, outbox: { depth: 0 } });
});

test("a condition that a ready service reports makes the status not ok: a gateway that fails every write", async () => {
  const condition: ConditionName = "writes-failing";
  checks = [{ condition, problem: "12 of 12 writes failed", blocksReadiness: false, remedy: "read the log" }];
  const { ok, conditions } = await read();
  expect(ok).toBe(false);
  expect(conditions).toContainEqual(expect.objectContaining({ condition, where: "gateway", remedy: "read the log" }));
});

test("a service that is down is a condition", async () => {
  const [gateway, ...others] = addresses().services;
  const services = [{ ...gateway!, url: `http://127.0.0.1:${await freePort()}` }, ...others];
  expect(found(await read({ services }))).toEqual(["service-down gateway"]);
});

test("an open dead letter is a condition of the service that could not process the record", async () => {
  const at = { topic: "products.dead-letter", partition: 0 };
  const writer = await log.openWriter("test.dead-letters", [at]);
  const { key, value, rawHeaders } = deadLetterRecord(0, 7, { replica: "catalog", version: 3 });
  const headers = Object.fromEntries(Object.entries(rawHeaders));
  await writer.write(at, [{ key, value, headers }]);
  const status = await read();
  expect(found(status)).toEqual(["dead-letters-open catalog"]);
  expect(status).toMatchObject({ ok: false, deadLetters: 1 });
  // A newer version of the entity in the replica supersedes it.
  const id = key!.toString();
  await catalog.sql`
    insert into lockstep.versions (entity, id, version, deleted) values (${entity!.name}, ${id}, 4, true)`;
  expect(found(await read())).toEqual([]);
  const mark = encodeMark({
    origin: { topic: "products.to.catalog", partition: 0, offset: 7 },
    resolution: "dropped",
    atMs: 1,
  });
  await writer.write(at, [mark]);
  await writer.close();
});

test("an empty replica is a condition while the source has rows and nothing is in flight", async () => {
  await source`insert into products (sku, name, price) values ('cup', 'Cup', 1)`;
  // On its way: not missing yet.
  expect(found(await read()).filter((line) => line.startsWith("replica-empty"))).toEqual([]);
  const [row] = await source<{ id: string }[]>`delete from lockstep.outbox returning id`;
  await catalog.sql`delete from lockstep.versions`;
  expect(found(await read())).toEqual(["replica-empty catalog", "replica-empty storefront"]);
  // A replica whose filter does not match any row knows the entities as deleted.
  await storefront.sql`
    insert into lockstep.versions (entity, id, version, deleted) values (${entity!.name}, ${row!.id}, 1, true)`;
  expect(found(await read())).toEqual(["replica-empty catalog"]);
  // A replica that lost its rows knows them as present.
  await storefront.sql`update lockstep.versions set deleted = false`;
  expect(found(await read())).toEqual(["replica-empty catalog", "replica-empty storefront"]);
  await storefront.sql`delete from lockstep.versions`;
});

test("databases that are read-only are conditions", async () => {
  const names = [sourceUrl, catalog.url].map((url) => new URL(url).pathname.slice(1));
  const setReadOnly = async (change: string) => {
    for (const name of names) await storefront.sql.unsafe(`alter database ${name} ${change}`);
  };
  // Sessions from before each change: a pooled session keeps the setting from its start.
  await using writable = new Connections(addresses(), silentLogger);
  const readOf = (connections: Connections) =>
    readStatus(connections, project, { verifyEverySeconds: 900, watchProgress: false });
  expect(found(await readOf(writable))).toEqual([]);
  await setReadOnly("set default_transaction_read_only = on");
  try {
    await using readOnly = new Connections(addresses(), silentLogger);
    const conditions = ["source-read-only source", "database-read-only catalog"];
    expect([found(await readOf(writable)), found(await readOf(readOnly))]).toEqual([conditions, conditions]);
    await setReadOnly("reset default_transaction_read_only");
    expect([found(await readOf(writable)), found(await readOf(readOnly))]).toEqual([[], []]);
    // The console saves its verifications on the same sessions.
    const save = async () => {
      await readOnly.source()`update lockstep.verifications set at = at`;
      return true;
    };
    await eventually(save, { timeoutMs: 15_000, what: "sessions from before the end to be replaced" });
  } finally {
    await setReadOnly("reset default_transaction_read_only");
  }
});

test("a declared table that is not captured is a condition that names it", async () => {
  const [row] = await source`delete from lockstep.captured where entity = ${entity!.name} returning *`;
  try {
    const { conditions } = await read();
    expect(conditions.map(({ condition, where, problem }) => [condition, where, problem])).toContainEqual([
      "capture-incomplete",
      entity!.name,
      `${entity!.name} is declared, and no table is captured as it`,
    ]);
  } finally {
    await source`insert into lockstep.captured ${source(row!)}`;
  }
  expect(found(await read())).toEqual([]);
});

test("capture that cannot be checked is unknown, and not whole", async () => {
  await source`alter function lockstep.capture_problems() rename to capture_problems_hidden`;
  try {
    expect(found(await read())).toEqual(["status-unknown source"]);
  } finally {
    await source`alter function lockstep.capture_problems_hidden() rename to capture_problems`;
  }
});

test("unread records without progress are a condition within a bounded wait, and a pause is its own", async () => {
  const at = { topic: eventsTopic(entity!).name, partition: 0 };
  const writer = await log.openWriter("test.events", [at]);
  await writer.write(at, [{ key: "x", value: "{}", headers: {} }]);
  const started = performance.now();
  const status = await read({}, true);
  expect(found(status)).toEqual(["partition-stalled stream"]);
  expect(performance.now() - started).toBeLessThan(20_000);
  await setPaused({ log, project }, "stream", true, "maintenance");
  const paused = await read({}, true);
  expect(paused.conditions).toMatchObject([
    { condition: "paused", where: "stream", problem: expect.stringContaining("maintenance") },
  ]);
  await setPaused({ log, project }, "stream", false);
  // The group reads the record.
  const consumer = await log.consume({ group: streamGroup(project), topics: [at.topic], onBatch: async () => {} });
  const hasRead = async () =>
    (await log.committedOffsets(streamGroup(project), at.topic)).get(0) === (await log.offsets(at.topic)).get(0)!.next;
  await eventually(hasRead, { timeoutMs: 30_000, what: "the group to read the record", everyMs: 100 });
  await consumer.close();
  await writer.close();
  expect(found(await read({}, true))).toEqual([]);
}, 90_000);

test("a source, a replica's database and brokers that are down or hang are conditions, in bounded time", async () => {
  const port = await freePort();
  const nowhere = (url: string) => Object.assign(new URL(url), { port: String(port) }).href;
  const replicas = new Map([
    ["catalog", nowhere(catalog.url)],
    ["storefront", storefront.url],
  ]);
  const down = await read({ source: nowhere(sourceUrl), replicas, brokers: [`127.0.0.1:${port}`] });
  const names = ["source-unavailable source", "log-unavailable brokers", "database-unavailable catalog"];
  expect(found(down)).toEqual(names);
  expect(down).toMatchObject({ ok: false, outbox: null, follows: null, deadLetters: null, verifications: null });

  // A server that accepts connections and never responds.
  const silent = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const hanging = (url: string) => Object.assign(new URL(url), { port: String(silent.port) }).href;
  const started = performance.now();
  const hung = await read({
    source: hanging(sourceUrl),
    replicas: new Map([...replicas, ["catalog", hanging(catalog.url)]]),
    brokers: [`127.0.0.1:${silent.port}`],
  });
  silent.stop(true);
  expect(found(hung)).toEqual(names);
  expect(performance.now() - started).toBeLessThan(15_000);
}, 60_000);

test("what cannot be read for another reason is unknown: a source that no gateway has migrated", async () => {
  const status = await read({ source: await freshDatabase() });
  expect(found(status)).toEqual(["table-drifted source", "status-unknown source"]);
  expect(status.conditions[1]!.problem).toContain("could not be read");
});

test("a column that is not declared is named and no problem; a declared one that is missing stops its entity", async () => {
  await source`alter table products add column legacy_code text`;
  const ignored = await read();
  expect(ignored.notes).toEqual(["products has columns that are not declared: legacy_code; they stay in the source"]);
  expect(found(ignored)).toEqual([]);
  await source`alter table products drop column legacy_code`;
  await storefront.sql`alter table products rename name to title`;
  try {
    const drifted = (await read()).conditions.find(({ condition }) => condition === "table-drifted");
    expect(drifted).toMatchObject({ where: "storefront", problem: "products has no column name, so product stops" });
  } finally {
    await storefront.sql`alter table products rename title to name`;
  }
});

test("a deleted topic is a condition, and the rest of the status is shown", async () => {
  const admin = new Kafka({ brokers: [...brokers.addresses], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: ["products.to.catalog", "products.events"] });
  await admin.disconnect();
  const status = await read({}, true);
  expect(found(status)).toEqual(["events-lost products.events", "records-lost products.to.catalog"]);
  expect(status.follows!.map(({ topic }) => topic)).toEqual(["products.to.storefront"]);
  expect(status.outbox).toEqual({ depth: 0, oldestAgeSeconds: 0 });
}, 60_000);
