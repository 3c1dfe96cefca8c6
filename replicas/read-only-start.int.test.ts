/** A replica that starts while its database is read-only answers reads, and flows on when the database is writable. */
import { test } from "bun:test";
import postgres from "postgres";
import { replicaTopic } from "../contracts/topics.ts";
import { connectLog } from "../kafka/connect-log.ts";
import { partitionsOf } from "../kafka/log.ts";
import { partitionForKey } from "../kafka/partitioner.ts";
import { createMetrics } from "../observability/metrics.ts";
import { readSettings } from "../platform/settings/settings.ts";
import { metric, untilVisible } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { entity, newId, routedMessage, silentLogger } from "../tests/harness/replica.ts";
import { brokerAddress, freePort, freshDatabase } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { startReplica } from "./main.ts";

test("P14: a replica starts on a read-only database, answers reads, reports it, and flows on afterwards", async () => {
  const database = await freshDatabase();
  const [before, during] = [newId(), newId()];
  const start = async () => {
    const port = await freePort();
    const settings = readSettings({
      DATABASE_URL: database,
      KAFKA_BROKERS: await brokerAddress(),
      PORT: String(port),
      LOCKSTEP_INSTANCE: `read-only-${newId()}`,
    });
    const deps = { settings, logger: silentLogger, metrics: createMetrics("replica", "1"), project };
    return { service: await startReplica(deps, "catalog"), url: `http://127.0.0.1:${port}` };
  };
  const first = await start();
  const log = await connectLog({ brokers: [await brokerAddress()], clientId: "test", logger: silentLogger });
  const topic = replicaTopic(entity, "catalog").name;
  const partitions = await log.partitionCount(topic);
  const writer = await log.openWriter(`test-${newId()}`, partitionsOf(topic, partitions));
  const publish = (id: string) =>
    writer.write({ topic, partition: partitionForKey(id, partitions) }, [routedMessage(id, 1)]);
  await publish(before);
  await untilVisible(first.url, before, 1, 30_000);
  await first.service.stop();

  const name = new URL(database).pathname.slice(1);
  const admin = postgres(database, { max: 1, connection: { default_transaction_read_only: false } });
  await admin.unsafe(`alter database ${name} set default_transaction_read_only = on`);
  const second = await start();
  const untilReadOnlyIs = (value: 0 | 1) =>
    eventually(
      async () => (await metric(second.url, "lockstep_condition", { condition: "database-read-only" })) === value,
      { timeoutMs: 10_000, what: `database-read-only to be ${value}` },
    );
  try {
    await untilVisible(second.url, before, 1, 10_000);
    await untilReadOnlyIs(1);
    await publish(during);
    await admin.unsafe(`alter database ${name} reset default_transaction_read_only`);
    await untilVisible(second.url, during, 1, 15_000);
    // The session that renews the cache's lease is replaced once a second.
    await untilReadOnlyIs(0);
  } finally {
    await admin.end();
    await second.service.stop();
    await writer.close();
    await log.close();
  }
}, 90_000);
