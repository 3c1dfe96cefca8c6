/** A database that is behind its consumer group: emptied, restored, or older than the log keeps tombstones. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { ConfigResourceTypes, Kafka, logLevel } from "kafkajs";
import postgres, { type Sql } from "postgres";
import { encodeKnownVersion } from "../../contracts/known-version.ts";
import { replicaTopic, versionsTopic } from "../../contracts/topics.ts";
import { connectLog } from "../../kafka/connect-log.ts";
import { type Log, type LogWriter, partitionsOf } from "../../kafka/log.ts";
import { partitionForKey } from "../../kafka/partitioner.ts";
import { createMetrics } from "../../observability/metrics.ts";
import { readSettings } from "../../platform/settings/settings.ts";
import { metric, request, untilGone, untilVisible } from "../../tests/harness/client.ts";
import { eventually } from "../../tests/harness/eventually.ts";
import { entity, newId, routedMessage, silentLogger } from "../../tests/harness/replica.ts";
import { brokerAddress, freePort, freshDatabase, redisUrl } from "../../tests/harness/servers.ts";
import { project } from "../../tests/project/index.ts";
import { startReplica } from "../main.ts";

const PARTITIONS = 4;
const topic = replicaTopic(entity, "catalog").name;
const versions = versionsTopic(entity).name;
let log: Log;
let writer: LogWriter;

beforeAll(async () => {
  log = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger: silentLogger });
  await createTopics();
}, 120_000);
afterAll(async () => {
  await writer.close();
  await log.close();
}, 30_000);

async function createTopics(): Promise<void> {
  const shape = { partitions: PARTITIONS, replicationFactor: 1, minInSyncReplicas: 1 };
  const names = [topic, versions];
  await log.ensureTopics(
    names.map((name) => ({ name, config: { "cleanup.policy": "compact" } })),
    shape,
  );
  const partitions = names.flatMap((name) => partitionsOf(name, PARTITIONS));
  writer = await log.openWriter(`test-${newId()}`, partitions);
}

/** An entity that fills log segments and is not checked. */
const FILLER = newId();

const publish = (id: string, version: number, deletes = false) =>
  writer.write({ topic, partition: partitionForKey(id, PARTITIONS) }, [
    routedMessage(id, version, deletes ? null : {}),
  ]);

/** Writes what the stream writes after a delete. */
const proveAbsent = (id: string, version: number) =>
  writer.write({ topic: versions, partition: partitionForKey(id, PARTITIONS) }, [
    { key: id, value: encodeKnownVersion({ version, absent: ["catalog", "storefront"] }), headers: {} },
  ]);

interface Started extends AsyncDisposable {
  readonly url: string;
  /** Rejects when the process would exit. */
  readonly ended: Promise<void>;
}

async function start(databaseUrl: string): Promise<Started> {
  const port = await freePort();
  const settings = readSettings({
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: await brokerAddress(),
    REDIS_URL: await redisUrl(),
    PORT: String(port),
    LOCKSTEP_INSTANCE: "catch-up",
    LOCKSTEP_PARTITIONS: String(PARTITIONS),
  });
  const service = await startReplica(
    { settings, logger: silentLogger, metrics: createMetrics("replica", "1"), project },
    "catalog",
  );
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => (await request("GET", `${url}/health/ready`)).status === 200, {
    timeoutMs: 30_000,
    what: "the replica",
  });
  return {
    url,
    ended: service.ended,
    async [Symbol.asyncDispose]() {
      await service.stop();
    },
  };
}

/** Changes the topic's and the broker's settings until it is disposed of. */
async function withConfig(config: Readonly<Record<string, string>>, broker: Readonly<Record<string, string>> = {}) {
  const admin = new Kafka({ brokers: [await brokerAddress()], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  const set = (forTopic: Readonly<Record<string, string>>, forBroker: Readonly<Record<string, string>> = {}) =>
    admin.alterConfigs({
      validateOnly: false,
      resources: [
        { type: ConfigResourceTypes.TOPIC, name: topic, configEntries: entriesOf(forTopic) },
        { type: ConfigResourceTypes.BROKER, name: "1", configEntries: entriesOf(forBroker) },
      ],
    });
  await set(config, broker);
  return {
    admin,
    set,
    async [Symbol.asyncDispose]() {
      await set({ "cleanup.policy": "compact" });
      await admin.disconnect();
    },
  };
}

/** Longer than half of the retention that a test sets to twice this, in milliseconds. */
const ABSENCE_MS = 5_000;

const entriesOf = (config: Readonly<Record<string, string>>) =>
  Object.entries(config).map(([name, value]) => ({ name, value }));

const ids = async (sql: Sql): Promise<string[]> => (await sql`select id from products`).map(({ id }) => id);

test("P10: an emptied database is filled again, although the group has committed all offsets", async () => {
  const ids = Array.from({ length: 20 }, newId);
  {
    await using replica = await start(await freshDatabase());
    for (const id of ids) await publish(id, 1);
    for (const id of ids) await untilVisible(replica.url, id, 1, 30_000);
  }
  await using refilled = await start(await freshDatabase());
  for (const id of ids) await untilVisible(refilled.url, id, 1, 30_000);
  await publish(ids[0]!, 2);
  await untilVisible(refilled.url, ids[0]!, 2);
});

test("a database that was restored from a backup gets the changes that it lacks", async () => {
  const url = await freshDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const [early, late] = [newId(), newId()];
  {
    await using replica = await start(url);
    await publish(early, 1);
    await untilVisible(replica.url, early, 1, 30_000);
  }
  const backup = [...(await sql`select * from lockstep.positions`)];
  {
    await using replica = await start(url);
    await publish(late, 1);
    await untilVisible(replica.url, late, 1, 30_000);
  }
  await sql`delete from products where id = ${late}`;
  await sql`delete from lockstep.versions where id = ${late}`;
  for (const { topic: name, partition, next_offset } of backup)
    await sql`update lockstep.positions set next_offset = ${next_offset} where topic = ${name} and "partition" = ${partition}`;
  await using restored = await start(url);
  await untilVisible(restored.url, late, 1, 30_000);
  await sql.end();
});

test("P4: a replica that was stopped for longer than the log keeps tombstones rebuilds itself without the deleted entities", async () => {
  const url = await freshDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const [kept, deleted] = [newId(), newId()];
  {
    await using replica = await start(url);
    await publish(kept, 1);
    await untilVisible(replica.url, kept, 1, 30_000);
  }
  // The state after compaction has removed an entity's tombstone while the replica still has the entity.
  await sql`insert into lockstep.versions (entity, id, version, deleted) values ('product', ${deleted}, 4, false)`;
  await sql`insert into products select (jsonb_populate_record(p, jsonb_build_object('id', ${deleted}::uuid))).* from products p where id = ${kept}`;
  await sql`update lockstep.positions set at = now() - interval '8 days'`;
  await proveAbsent(deleted, 5);
  await using back = await start(url);
  expect(await metric(back.url, "lockstep_rebuilds_total")).toBe(1);
  await untilGone(back.url, deleted);
  await untilVisible(back.url, kept, 1);
  await publish(kept, 2);
  await untilVisible(back.url, kept, 2);
  const [row] = await sql<
    { fresh: boolean }[]
  >`select min(at) > now() - interval '1 hour' as fresh from lockstep.positions`;
  expect(row!.fresh).toBe(true);
  await sql.end();
});

test("a replica that lacks records which the log deleted rebuilds itself, even when only a delete is missing", async () => {
  const url = await freshDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const [kept, deleted] = [newId(), newId()];
  {
    await using replica = await start(url);
    for (const id of [kept, deleted]) {
      await publish(id, 1);
      await untilVisible(replica.url, id, 1, 30_000);
    }
  }
  await publish(deleted, 2, true);
  // Other tests have entities of up to version 3 in the topic. A proof is newer than the row.
  for (const id of await ids(sql)) if (id !== kept) await proveAbsent(id, id === deleted ? 2 : 9);
  await publish(kept, 2);
  {
    // Kafka deletes records only from topics with the policy "delete".
    await using changed = await withConfig({ "cleanup.policy": "compact,delete" });
    await changed.admin.fetchTopicMetadata({ topics: [topic] });
    const bounds = [...(await log.offsets(topic))];
    const partitions = bounds.map(([partition, { next }]) => ({ partition, offset: String(next) }));
    await changed.admin.deleteTopicRecords({ topic, partitions });
  }
  // This resent version is now the log's only record.
  await publish(kept, 2);
  await using back = await start(url);
  await expect(back.ended).rejects.toThrow("the log has deleted changes");
  await back[Symbol.asyncDispose]();
  await using rebuilt = await start(url);
  expect(await metric(rebuilt.url, "lockstep_rebuilds_total")).toBe(1);
  await untilVisible(rebuilt.url, kept, 2);
  await untilGone(rebuilt.url, deleted);
  expect(await ids(sql)).toEqual([kept]);
  // The group is still behind the log's first offset; the database is not.
  await publish(kept, 3);
  await untilVisible(rebuilt.url, kept, 3);
  await sql.end();
});

test("P4: a replica that was stopped finds a delete whose tombstone compaction has removed", async () => {
  const url = await freshDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const [kept, deleted] = [newId(), newId()];
  {
    await using replica = await start(url);
    for (const id of [kept, deleted]) {
      await publish(id, 1);
      await untilVisible(replica.url, id, 1, 30_000);
    }
  }
  const stoppedAtMs = Date.now();
  await using compacting = await withConfig(
    {
      "cleanup.policy": "compact",
      "delete.retention.ms": "1000",
      "segment.ms": "100",
      "min.cleanable.dirty.ratio": "0.001",
      "min.compaction.lag.ms": "0",
    },
    { "log.cleaner.backoff.ms": "200" },
  );
  await publish(deleted, 2, true);
  await proveAbsent(deleted, 2);
  const at = { topic, partition: partitionForKey(deleted, PARTITIONS) };
  const tombstones = async () => {
    // Kafka compacts a segment only when a newer one follows.
    await writer.write(at, [routedMessage(FILLER, 1)]);
    const { first, next } = (await log.offsets(topic)).get(at.partition)!;
    let found = 0;
    for await (const records of log.read(at, first, next))
      found += records.filter(({ key }) => key?.toString() === deleted).length;
    return found;
  };
  await eventually(async () => (await tombstones()) === 0, {
    timeoutMs: 40_000,
    what: "compaction to remove the tombstone",
    everyMs: 200,
  });
  // A retention that is longer than a rebuild takes: otherwise the new tables could be stale at once, and rebuilt again.
  await compacting.set({ "cleanup.policy": "compact", "delete.retention.ms": String(2 * ABSENCE_MS) });
  await eventually(() => Date.now() - stoppedAtMs > ABSENCE_MS, {
    timeoutMs: 2 * ABSENCE_MS,
    what: "an absence of more than half of the retention",
  });
  await using back = await start(url);
  await untilGone(back.url, deleted);
  await untilVisible(back.url, kept, 1);
  expect(await ids(sql)).not.toContain(deleted);
  expect(await metric(back.url, "lockstep_rebuilds_total")).toBe(1);
  await sql.end();
}, 90_000);

const conditionOf = async (url: string, condition: string): Promise<string | null> => {
  const { body } = await request("GET", `${url}/health/ready`);
  const checks = body.checks as { condition: string; problem: string | null }[];
  return checks.find((check) => check.condition === condition)!.problem;
};
const untilIncomplete = (url: string, problem: string | null) =>
  eventually(async () => (await conditionOf(url, "log-incomplete")) === problem, {
    timeoutMs: 10_000,
    what: `log-incomplete to be ${problem}`,
  });

/** Deletes the replica's topic, and waits until it is gone. */
async function deleteTopic(): Promise<void> {
  const admin = new Kafka({ brokers: [await brokerAddress()], logLevel: logLevel.NOTHING }).admin();
  await admin.connect();
  await admin.deleteTopics({ topics: [topic] });
  await admin.disconnect();
  await eventually(async () => !(await log.topicIds([topic])).has(topic), { timeoutMs: 10_000, what: "the delete" });
}

test("P10: a topic that is created again empties no replica, which serves on, says so across restarts, and applies what is new", async () => {
  const url = await freshDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const old = Array.from({ length: 6 }, newId);
  const fresh = newId();
  {
    await using replica = await start(url);
    for (const id of old) await publish(id, 1);
    for (const id of old) await untilVisible(replica.url, id, 1, 30_000);
    await eventually(
      async () => (await sql`select from lockstep.positions where topic_id <> ''`).length >= PARTITIONS,
      {
        timeoutMs: 10_000,
        what: "positions with the topic's identity",
      },
    );
    await deleteTopic();
    await untilIncomplete(replica.url, `topic ${topic} does not exist`);
    await createTopics();
    await expect(replica.ended).rejects.toThrow("created again");
  }
  // Longer than the topic was: the new offsets alone would not show that it is another one.
  for (let n = 0; n < 20; n++) await publish(newId(), 1);
  const total = (await sql`select id from products`).length;
  for (let starts = 0; starts < 2; starts++) {
    await using replica = await start(url);
    await untilIncomplete(replica.url, `the log lacks ${total} of ${total} entities`);
    expect(await metric(replica.url, "lockstep_rebuilds_total")).toBe(0);
    for (const id of old) await untilVisible(replica.url, id, 1);
    await publish(fresh, starts + 1);
    await untilVisible(replica.url, fresh, starts + 1);
    expect(await sql`select from pg_namespace where nspname in ('lockstep_next', 'lockstep_old')`).toHaveLength(0);
  }
  // All that the new topic has is applied, and the positions are those of the new topic.
  expect(await ids(sql)).toHaveLength(total + 21);
  await using replica = await start(url);
  await sql`delete from lockstep.log_incomplete`;
  await untilIncomplete(replica.url, null);
  await sql.end();
}, 120_000);

test("P10: records that were deleted without a proof empty no replica", async () => {
  const url = await freshDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const [known, unknown] = [newId(), newId()];
  {
    await using replica = await start(url);
    for (const id of [known, unknown]) {
      await publish(id, 1);
      await untilVisible(replica.url, id, 1, 30_000);
    }
  }
  const rows = (await sql`select id from products`).length;
  await publish(known, 2);
  {
    await using changed = await withConfig({ "cleanup.policy": "compact,delete" });
    await changed.admin.fetchTopicMetadata({ topics: [topic] });
    const bounds = [...(await log.offsets(topic))];
    const partitions = bounds.map(([partition, { next }]) => ({ partition, offset: String(next) }));
    await changed.admin.deleteTopicRecords({ topic, partitions });
  }
  await using back = await start(url);
  await expect(back.ended).rejects.toThrow("the log has deleted changes");
  await back[Symbol.asyncDispose]();
  await using served = await start(url);
  await untilIncomplete(served.url, `the log lacks ${rows} of ${rows} entities`);
  await untilVisible(served.url, unknown, 1);
  expect(await ids(sql)).toHaveLength(rows);
  await sql.end();
}, 60_000);
