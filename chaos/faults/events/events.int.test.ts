/** Each fault of events writes what it says into a real topic, and reports exactly that as planted. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { encodeEvent, header } from "../../../contracts/event.ts";
import { encodeRouted, routedHeaders } from "../../../contracts/routed-event.ts";
import { eventsTopic, replicaTopic } from "../../../contracts/topics.ts";
import { connectLog } from "../../../kafka/connect-log.ts";
import type { Log, OutgoingRecord, StoredRecord } from "../../../kafka/log.ts";
import { createLogger } from "../../../observability/logger.ts";
import { startBroker } from "../../../stack/servers/broker.ts";
import type { Server } from "../../../stack/servers/server.ts";
import { validatorOf } from "../../../stream/validate.ts";
import { faultContext, systemOf } from "../../../tests/harness/chaos-system.ts";
import { stopAtExit } from "../../../tests/harness/clean-up-at-exit.ts";
import { deleteEvent, productDocument, upsertEvent } from "../../../tests/harness/product-events.ts";
import { freePort, temporaryFolder } from "../../../tests/harness/servers.ts";
import { product } from "../../../tests/project/index.ts";
import { eventFaults } from "./index.ts";

const events = eventsTopic(product).name;
const routed = replicaTopic(product, "catalog").name;
const [kept, deleted] = [Bun.randomUUIDv7(), Bun.randomUUIDv7()];
let broker: Server;
let log: Log;

beforeAll(async () => {
  const dir = temporaryFolder("broker");
  const node = { nodeId: 1, port: await freePort(), controllerPort: await freePort() };
  broker = await startBroker({ ...node, dir, cluster: [node] });
  stopAtExit(broker.pid, "KILL", dir);
  log = await connectLog({ brokers: [broker.url], clientId: "test", logger: createLogger("test", "1", "silent") });
  await log.ensureTopics(
    [events, routed].map((name) => ({ name, config: {} })),
    {
      partitions: 1,
      replicationFactor: 1,
      minInSyncReplicas: 1,
    },
  );
  const upserts = [1, 2, 3].map((version) => upsertEvent(productDocument({ id: kept, version })));
  const others = [upsertEvent(productDocument({ id: deleted, version: 1 })), deleteEvent(deleted, 2)];
  const all = [...upserts, ...others];
  await write(events, all.map(encodeEvent));
  await write(
    routed,
    all.map((event, offset) => encodeRouted(event, event.document, routedHeaders(event, offset, undefined))),
  );
}, 120_000);

afterAll(async () => {
  await log?.close();
  await broker?.stop("SIGKILL");
});

async function write(topic: string, records: readonly OutgoingRecord[]): Promise<void> {
  const at = { topic, partition: 0 };
  const writer = await log.openWriter("test", [at]);
  await writer.write(at, records);
  await writer.close();
}

async function readAll(topic: string): Promise<StoredRecord[]> {
  const { first, next } = (await log.offsets(topic)).get(0)!;
  const found: StoredRecord[] = [];
  for await (const records of log.read({ topic, partition: 0 }, first, next)) found.push(...records);
  return found;
}

const bytesOf = ({ key, value, rawHeaders }: StoredRecord) => ({ key, value, rawHeaders });
const versionOf = ({ headers }: StoredRecord) => Number(headers[header.version]);

/** Causes a fault. @returns the records that were in the topic before, and those that came. */
async function cause(name: string, topic: string) {
  const before = await readAll(topic);
  const fault = eventFaults.find((one) => one.name === name)!;
  const system = systemOf({ brokers: [broker.url] });
  expect(fault.subjects(system)).toContain(topic);
  const { context, planted } = faultContext(system, topic);
  await (await fault.inject(context))();
  const added = (await readAll(topic)).slice(before.length);
  expect(added.length).toBeGreaterThan(0);
  expect(planted.map(({ offset, key }) => [offset, key])).toEqual(
    added.map((record) => [record.offset, record.key?.toString() ?? ""]),
  );
  return { before, added, kinds: new Set(planted.map(({ kind }) => kind)) };
}

test("events-repeated repeats stored events byte by byte", async () => {
  const { before, added, kinds } = await cause("events-repeated", events);
  for (const record of added) expect(before.map(bytesOf)).toContainEqual(bytesOf(record));
  expect([...kinds]).toEqual(["repeated"]);
});

test("events-late adds versions below the newest one, first of a deleted entity", async () => {
  const { before, added, kinds } = await cause("events-late", events);
  expect(added.map((record) => record.key?.toString())).toEqual([deleted, kept]);
  for (const record of added) {
    expect(before.map(bytesOf)).toContainEqual(bytesOf(record));
    const newest = Math.max(...before.filter(({ key }) => key?.equals(record.key!)).map(versionOf));
    expect(versionOf(record)).toBeLessThan(newest);
  }
  expect([...kinds]).toEqual(["older"]);
});

test("events-invalid adds records that the stream rejects", async () => {
  const { added, kinds } = await cause("events-invalid", events);
  const validate = validatorOf(product, 1);
  for (const record of added) expect(validate(record)).toHaveProperty("reason");
  expect([...kinds]).toEqual(["poison"]);
});

test("replica-records-repeated repeats the end of a replica's topic", async () => {
  const { before, added, kinds } = await cause("replica-records-repeated", routed);
  expect(added.map(bytesOf)).toEqual(before.slice(-added.length).map(bytesOf));
  expect([...kinds]).toEqual(["repeated"]);
});

test("replica-records-repeated leaves the newest version as the last, also if the stream was faster", async () => {
  const id = Bun.randomUUIDv7();
  const [first, second] = [1, 2].map((version, offset) => {
    const event = upsertEvent(productDocument({ id, version }));
    return encodeRouted(event, event.document, routedHeaders(event, offset, undefined));
  });
  await write(routed, [first!]);
  const fault = eventFaults.find(({ name }) => name === "replica-records-repeated")!;
  const { context } = faultContext(systemOf({ brokers: [broker.url] }), routed);
  const end = await fault.inject(context);
  await write(routed, [second!, first!]); // the order of a copy that came after the stream's record
  await end();
  const versions = (await readAll(routed)).filter(({ key }) => key?.toString() === id).map(versionOf);
  expect(versions).toEqual([1, 1, 2, 1, 2]);
});
