import { afterAll, beforeAll, expect, test } from "bun:test";
import { replicaTopic } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import type { Log, LogWriter } from "../kafka/log.ts";
import { partitionForKey } from "../kafka/partitioner.ts";
import { createMetrics } from "../observability/metrics.ts";
import type { Service } from "../platform/service.ts";
import { readSettings } from "../platform/settings/settings.ts";
import { metric, request, untilGone, untilVisible } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { entity, newId, routedMessage, silentLogger } from "../tests/harness/replica.ts";
import { brokerAddress, freePort, freshDatabase, redisUrl } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { startReplica } from "./main.ts";

const PARTITIONS = 4;
const topic = replicaTopic(entity, "catalog").name;
let log: Log;
let writer: LogWriter;
let databaseUrl: string;

beforeAll(async () => {
  databaseUrl = await freshDatabase();
  log = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger: silentLogger });
  await log.ensureTopics([{ name: topic, config: { "cleanup.policy": "compact" } }], {
    partitions: PARTITIONS,
    replicationFactor: 1,
    minInSyncReplicas: 1,
  });
  writer = await log.openWriter(
    `test-${newId()}`,
    Array.from({ length: PARTITIONS }, (_, partition) => ({ topic, partition })),
  );
}, 120_000);
afterAll(async () => {
  await writer.close();
  await log.close();
}, 30_000);

const publish = (id: string, version: number, deletes = false) =>
  writer.write({ topic, partition: partitionForKey(id, PARTITIONS) }, [
    routedMessage(id, version, deletes ? null : {}),
  ]);

interface Running {
  readonly url: string;
  readonly service: Service;
}

async function start(redis: string | undefined, instance: string): Promise<Running> {
  const port = await freePort();
  const settings = readSettings({
    DATABASE_URL: databaseUrl,
    KAFKA_BROKERS: await brokerAddress(),
    PORT: String(port),
    LOCKSTEP_INSTANCE: instance,
    LOCKSTEP_PARTITIONS: String(PARTITIONS),
    ...(redis ? { REDIS_URL: redis } : {}),
  });
  const service = await startReplica(
    { settings, logger: silentLogger, metrics: createMetrics("replica", instance), project },
    "catalog",
  );
  return { url: `http://127.0.0.1:${port}`, service };
}

const ready = (url: string) =>
  eventually(async () => (await request("GET", `${url}/health/ready`)).status === 200, {
    timeoutMs: 30_000,
    what: `${url} to be ready`,
  });

test("a replica consumes its topic across a restart, and two processes share its partitions", async () => {
  const [kept, gone, late] = [newId(), newId(), newId()];
  const one = await start(await redisUrl(), "a");
  try {
    await ready(one.url);
    await publish(kept, 1);
    await publish(gone, 1);
    await untilVisible(one.url, kept, 1);
    await untilVisible(one.url, gone, 1);
    await publish(kept, 2);
    await publish(gone, 2, true);
    await untilVisible(one.url, kept, 2);
    await untilGone(one.url, gone);
    expect(await metric(one.url, "lockstep_replica_events_total", { outcome: "applied" })).toBeGreaterThanOrEqual(4);
  } finally {
    await one.service.stop();
    await one.service.ended;
  }
  await publish(late, 1);
  await publish(gone, 1); // older than the delete
  const both = [await start(await redisUrl(), "a"), await start(await redisUrl(), "b")];
  try {
    for (const { url } of both) {
      await ready(url);
      await untilVisible(url, late, 1, 30_000);
    }
    const many = Array.from({ length: 40 }, newId);
    await Promise.all(many.map((id) => publish(id, 1)));
    for (const { url } of both) await Promise.all(many.map((id) => untilVisible(url, id, 1)));
    for (const { url } of both) expect((await request("GET", `${url}/products/${gone}`)).status).toBe(404);
    const applied = (url: string) => metric(url, "lockstep_replica_events_total", { outcome: "applied" });
    await eventually(
      async () => {
        await Promise.all(many.map(() => publish(newId(), 1)));
        return Math.min(...(await Promise.all(both.map(({ url }) => applied(url))))) > 0;
      },
      { timeoutMs: 30_000, what: "both processes to apply", everyMs: 200 },
    );
  } finally {
    for (const { service } of both) await service.stop();
  }
}, 120_000);

test("without Redis a replica is ready, reports it, and reads from PostgreSQL", async () => {
  const id = newId();
  const { url, service } = await start(undefined, "c");
  try {
    await ready(url);
    await publish(id, 1);
    const answer = await untilVisible(url, id, 1);
    expect(answer.headers.get("cache-status")).toBe("lockstep-redis; fwd=bypass; detail=not-configured");
    const { body } = await request("GET", `${url}/health/ready`);
    expect(body.checks).toContainEqual({
      condition: "cache-off",
      blocksReadiness: false,
      problem: null,
      note: "not configured: every read comes from PostgreSQL",
    });
  } finally {
    await service.stop();
  }
}, 60_000);

test("an undeclared replica, or one without a database, does not start", async () => {
  const running = (env: Record<string, string>) => ({
    settings: readSettings(env),
    logger: silentLogger,
    metrics: createMetrics("replica", "x"),
    project,
  });
  await expect(startReplica(running({ DATABASE_URL: databaseUrl }), "undeclared")).rejects.toThrow(
    "no entity has a replica undeclared",
  );
  await expect(startReplica(running({}), "catalog")).rejects.toThrow("DATABASE_URL is not set");
});
