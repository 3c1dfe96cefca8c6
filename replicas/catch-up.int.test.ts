/** A replica's database that is not where its group is: emptied, put back, or away for longer than the log keeps deletes. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres from "postgres";
import { replicaTopic } from "../contracts/topics.ts";
import { createMetrics } from "../observability/metrics.ts";
import { connectLog } from "../platform/log/kafkajs/index.ts";
import type { Log, LogWriter } from "../platform/log/log.ts";
import { partitionOf } from "../platform/log/partitioner.ts";
import { readSettings } from "../platform/settings.ts";
import { isGone, metric, request, shows } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { brokerAddress, freePort, freshDatabase, redisUrl } from "../tests/harness/parts.ts";
import { entity, newId, routedMessage, silent } from "../tests/harness/replica.ts";
import { startReplica } from "./main.ts";

const PARTITIONS = 4;
const topic = replicaTopic(entity, "catalog").name;
let log: Log;
let writer: LogWriter;

beforeAll(async () => {
  log = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger: silent });
  const shape = { partitions: PARTITIONS, replicationFactor: 1, minInSyncReplicas: 1 };
  await log.ensureTopics([{ name: topic, config: { "cleanup.policy": "compact" } }], shape);
  const partitions = Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition }));
  writer = await log.openWriter(`test-${newId()}`, partitions);
}, 120_000);
afterAll(async () => {
  await writer.close();
  await log.close();
}, 30_000);

const publish = (id: string, version: number) =>
  writer.write({ topic, partition: partitionOf(id, PARTITIONS) }, [routedMessage(id, version)]);

async function start(databaseUrl: string) {
  const port = await freePort();
  const settings = readSettings({
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: await brokerAddress(),
    REDIS_URL: await redisUrl(),
    PORT: String(port),
    LOCKSTEP_INSTANCE: "catch-up",
    LOCKSTEP_PARTITIONS: String(PARTITIONS),
  });
  const service = await startReplica({ settings, logger: silent, metrics: createMetrics("replica", "1") }, "catalog");
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => (await request("GET", `${url}/health/ready`)).status === 200, {
    withinMs: 30_000,
    what: "the replica",
  });
  return {
    url,
    async [Symbol.asyncDispose]() {
      await service.stop();
    },
  };
}

test("P10: a database that was emptied is filled again, though the group has long passed everything", async () => {
  const ids = Array.from({ length: 20 }, newId);
  {
    await using replica = await start(await freshDatabase());
    for (const id of ids) await publish(id, 1);
    for (const id of ids) await shows(replica.url, id, 1, 30_000);
  }
  await using again = await start(await freshDatabase());
  for (const id of ids) await shows(again.url, id, 1, 30_000);
  await publish(ids[0]!, 2);
  await shows(again.url, ids[0]!, 2);
});

test("a database that was put back from a backup gets what it has missed", async () => {
  const url = await freshDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const [early, late] = [newId(), newId()];
  {
    await using replica = await start(url);
    await publish(early, 1);
    await shows(replica.url, early, 1, 30_000);
  }
  const backup = [...(await sql`select * from lockstep.positions`)];
  {
    await using replica = await start(url);
    await publish(late, 1);
    await shows(replica.url, late, 1, 30_000);
  }
  await sql`delete from products where id = ${late}`;
  await sql`delete from lockstep.versions where id = ${late}`;
  for (const { topic: of, partition, next_offset } of backup)
    await sql`update lockstep.positions set next_offset = ${next_offset} where topic = ${of} and "partition" = ${partition}`;
  await using restored = await start(url);
  await shows(restored.url, late, 1, 30_000);
  await sql.end();
});

test("P4: a replica that was away for longer than the log keeps deletes rebuilds itself, and what was deleted meanwhile is gone", async () => {
  const url = await freshDatabase();
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  const [kept, deleted] = [newId(), newId()];
  {
    await using replica = await start(url);
    await publish(kept, 1);
    await shows(replica.url, kept, 1, 30_000);
  }
  // As it is once compaction has taken a deleted entity's last trace from the log, while the replica still has it.
  await sql`insert into lockstep.versions (entity, id, version, deleted) values ('product', ${deleted}, 4, false)`;
  await sql`insert into products select (jsonb_populate_record(p, jsonb_build_object('id', ${deleted}::uuid))).* from products p where id = ${kept}`;
  await sql`update lockstep.positions set at = now() - interval '8 days'`;
  await using back = await start(url);
  expect(await metric(back.url, "lockstep_rebuilds_total")).toBe(1);
  await isGone(back.url, deleted);
  await shows(back.url, kept, 1);
  await publish(kept, 2);
  await shows(back.url, kept, 2);
  const [row] = await sql<
    { fresh: boolean }[]
  >`select min(at) > now() - interval '1 hour' as fresh from lockstep.positions`;
  expect(row!.fresh).toBe(true);
  await sql.end();
});
