import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeEvent } from "../contracts/event.ts";
import { eventsTopic, replicaTopic, versionsTopic } from "../contracts/topics.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { deleteEvent, productDocument, upsertEvent } from "../tests/harness/product-events.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { StreamInstance } from "../tests/harness/stream-instance.ts";
import { product } from "../tests/project/index.ts";
import { describeLosses } from "./lost-records.ts";
import { decodeFlushed } from "./versions-topic.ts";

const input = { topic: eventsTopic(product).name, partition: 0 };
const catalog = { topic: replicaTopic(product, "catalog").name, partition: 0 };
const storefront = { topic: replicaTopic(product, "storefront").name, partition: 0 };
const versions = { topic: versionsTopic(product).name, partition: 0 };
const folder = mkdtempSync(join(tmpdir(), "lockstep-lost-records-"));
let files = 0;
const newFile = () => join(folder, `${files++}.sqlite`);
afterAll(() => rmSync(folder, { recursive: true }));

const ids = Array.from({ length: 10 }, (_, i) => `${String(i).repeat(8)}-0000-4000-8000-000000000000`);
const updates = (version: number) => ids.map((id) => encodeEvent(upsertEvent(productDocument({ id, version }))));

/** A log in which an instance has processed and flushed all input: ten products, of which the first was deleted. */
async function processedLog(file: string, timestampMs = 0): Promise<SimulatedLog> {
  const log = new SimulatedLog(1);
  log.append(input, [...updates(1), encodeEvent(deleteEvent(ids[0]!, 2))], timestampMs);
  await using instance = new StreamInstance(log, file);
  await instance.deliver();
  await instance.flush();
  return log;
}

const knownIn = (log: SimulatedLog) => [...decodeFlushed(log.records(versions)).changes].sort();

test("nothing is lost after a restart, nor on another machine", async () => {
  const file = newFile();
  const log = await processedLog(file);
  for (const next of [file, newFile()]) {
    await using instance = new StreamInstance(log, next);
    expect((await instance.takeOver()).lost).toEqual({});
  }
});

for (const [name, lose, loss] of [
  ["was created again", (log: SimulatedLog) => log.records(catalog).splice(0), { from: 0, to: 11 }],
  ["was put back from an older backup", (log: SimulatedLog) => log.records(catalog).splice(6), { from: 6, to: 11 }],
  ["had its records deleted", (log: SimulatedLog) => log.deleteBefore(catalog, 4), { from: 0, to: 4 }],
] as const)
  test(`a replica's topic that ${name} is reported once, and stays reported on another machine`, async () => {
    const file = newFile();
    const log = await processedLog(file);
    lose(log);
    const expected = { [catalog.topic]: { ...loss, atMs: expect.any(Number) } };
    {
      await using instance = new StreamInstance(log, file);
      const { found, lost } = await instance.takeOver();
      expect([found, lost]).toEqual([expected, expected]);
      log.append(input, updates(3));
      await instance.deliver();
      await instance.flush();
    }
    for (const next of [file, newFile()]) {
      await using instance = new StreamInstance(log, next);
      const { found, lost } = await instance.takeOver();
      expect([found, lost]).toEqual([{}, expected]);
    }
  });

test("a running instance notices that a replica's topic was created again when it writes", async () => {
  const log = await processedLog(newFile());
  await using instance = new StreamInstance(log, newFile());
  await instance.takeOver();
  log.records(catalog).length = 0;
  log.append(input, updates(3));
  await expect(instance.deliver()).rejects.toThrow("was created again");
  await instance.deliver();
  expect(log.records(catalog)).toHaveLength(10);
  const { lost } = await instance.takeOver();
  expect(lost).toMatchObject({ [catalog.topic]: { from: 10, to: 11 } });
});

for (const [name, lose] of [
  ["was created again", (log: SimulatedLog) => log.records(versions).splice(0)],
  ["had its records deleted", (log: SimulatedLog) => log.deleteBefore(versions, 10)],
] as const)
  test(`a versions topic that ${name} is written again from the local file, with its proofs`, async () => {
    const file = newFile();
    const log = await processedLog(file);
    const before = knownIn(log);
    expect(before).toContainEqual([ids[0]!, { version: 2, absent: ["catalog", "storefront"] }]);
    lose(log);
    const size = log.records(versions).length;
    await using instance = new StreamInstance(log, file);
    expect((await instance.takeOver()).lost).toEqual({});
    const rewritten = log.records(versions).slice(size);
    expect([...decodeFlushed(rewritten).changes].sort()).toEqual(before);
    expect((await instance.takeOver()).lost).toEqual({});
    expect(log.records(versions)).toHaveLength(size + before.length);
  });

test("a crash while the versions topic is written again repeats it", async () => {
  const file = newFile();
  const log = await processedLog(file);
  const before = knownIn(log);
  log.records(versions).length = 0;
  let failures = 1;
  const failing = new SimulatedLog(1, () => (failures-- > 0 ? "lost" : "stored"));
  for (const at of [input, catalog, versions]) failing.records(at).push(...log.records(at));
  await using instance = new StreamInstance(failing, file);
  await instance.takeOver();
  expect(knownIn(failing)).toEqual(before);
});

test("P4: a crash after half of a rewrite repeats it, also when the versions topic is then as long as before", async () => {
  const file = newFile();
  const log = new SimulatedLog(1);
  const many = Array.from({ length: 1_200 }, () => Bun.randomUUIDv7());
  const eventsOf = (version: number, some: readonly string[]) =>
    some.map((id) => encodeEvent(upsertEvent(productDocument({ id, version }))));
  log.append(input, [...eventsOf(1, many), ...eventsOf(2, many.slice(0, 500))]);
  {
    await using instance = new StreamInstance(log, file);
    await instance.deliver();
    await instance.flush();
  }
  const before = knownIn(log);
  const end = log.records(versions).length;
  log.records(versions).length = end - 1_000; // put back from an older backup
  let writes = 0;
  const failing = new SimulatedLog(1, () => (writes++ === 1 ? "lost" : "stored"));
  for (const at of [input, catalog, storefront, versions]) failing.records(at).push(...log.records(at));
  await using instance = new StreamInstance(failing, file);
  await instance.takeOver();
  expect(writes).toBeGreaterThan(2);
  expect(failing.records(versions).length).toBeGreaterThanOrEqual(end);
  expect(knownIn(failing)).toEqual(before);
});

test("without the local file, a lost versions topic is reported", async () => {
  const log = await processedLog(newFile());
  log.records(versions).length = 0;
  await using instance = new StreamInstance(log, newFile());
  const { lost } = await instance.takeOver();
  expect(lost).toMatchObject({ [versions.topic]: { from: 0 } });
  expect(describeLosses(Object.entries(lost))).toMatch(/^products\.versions lost 0 offsets in 1 partitions/);
});

test("input that was deleted before it was processed is reported", async () => {
  const file = newFile();
  const log = await processedLog(file);
  log.append(input, updates(3));
  log.deleteBefore(input, 15);
  await using instance = new StreamInstance(log, file);
  expect((await instance.takeOver()).lost).toMatchObject({ [input.topic]: { from: 11, to: 15 } });
});

test("a loss stays reported after a crash, also when the topic is then longer than before", async () => {
  const file = newFile();
  const log = await processedLog(file);
  log.records(catalog).splice(6); // put back from an older backup
  const lost = { [catalog.topic]: { from: 6, to: 11, atMs: expect.any(Number) } };
  {
    await using instance = new StreamInstance(log, file);
    expect((await instance.takeOver()).lost).toEqual(lost);
    log.append(input, updates(3));
    await instance.deliver();
  }
  await using instance = new StreamInstance(log, file);
  expect((await instance.takeOver()).lost).toEqual(lost);
});

test("P4: `kill -9` after half of a rewrite of the versions topic repeats it", async () => {
  const file = newFile();
  let writes = 0;
  let isFailing = false;
  const log = new SimulatedLog(1, () => (isFailing && writes++ === 1 ? "lost" : "stored"));
  const many = Array.from({ length: 1_200 }, () => Bun.randomUUIDv7());
  log.append(
    input,
    many.map((id) => encodeEvent(upsertEvent(productDocument({ id })))),
  );
  {
    await using instance = new StreamInstance(log, file);
    await instance.deliver();
    await instance.flush();
  }
  const before = knownIn(log);
  log.records(versions).length = 200; // put back from an older backup
  isFailing = true;
  {
    await using instance = new StreamInstance(log, file);
    void instance.takeOver();
    await eventually(() => writes === 2, { timeoutMs: 5_000, what: "the second write" });
  }
  expect(log.records(versions)).toHaveLength(before.length);
  isFailing = false;
  await using instance = new StreamInstance(log, file);
  await instance.takeOver();
  expect(knownIn(log)).toEqual(before);
});
