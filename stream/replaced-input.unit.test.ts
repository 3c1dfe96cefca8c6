import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeEvent, header } from "../contracts/event.ts";
import { deadLetterTopic, eventsTopic, replicaTopic } from "../contracts/topics.ts";
import type { OutgoingRecord } from "../kafka/log.ts";
import { productDocument, upsertEvent } from "../tests/harness/product-events.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { StreamInstance } from "../tests/harness/stream-instance.ts";
import { product } from "../tests/project/index.ts";

const input = { topic: eventsTopic(product).name, partition: 0 };
const catalog = { topic: replicaTopic(product, "catalog").name, partition: 0 };
const deadLetters = { topic: deadLetterTopic(product).name, partition: 0 };
const folder = mkdtempSync(join(tmpdir(), "lockstep-replaced-input-"));
let files = 0;
const newFile = () => join(folder, `${files++}.sqlite`);
afterAll(() => rmSync(folder, { recursive: true }));

const ids = Array.from({ length: 10 }, (_, i) => `${String(i).repeat(8)}-0000-4000-8000-000000000000`);
const event = (id: string, version: number): OutgoingRecord =>
  encodeEvent(upsertEvent(productDocument({ id, version })));
const invalid = (text: string): OutgoingRecord => ({ key: text, value: "{", headers: {} });

/** Deletes the input and creates it again with other records, as after a loss of the broker's disk. */
function replaceInput(log: SimulatedLog, records: readonly OutgoingRecord[]): void {
  log.records(input).length = 0;
  log.append(input, records, 1);
}

const routedTo = (log: SimulatedLog): string[] =>
  log.records(catalog).map(({ key, headers }) => `${String(key).slice(0, 1)}@${headers[header.version]}`);
const all = (version: number) => ids.map((id) => `${id.slice(0, 1)}@${version}`);

for (const [name, count] of [
  ["shorter than", 4],
  ["as long as", 10],
  ["longer than", 15],
] as const)
  test(`P1: each event of a replaced input is routed, when it is ${name} what was processed`, async () => {
    const log = new SimulatedLog(1);
    const file = newFile();
    log.append(
      input,
      ids.map((id) => event(id, 1)),
    );
    {
      await using instance = new StreamInstance(log, file);
      await instance.deliver();
      await instance.flush();
    }
    const added = Array.from({ length: count }, (_, i) => event(ids[i % ids.length]!, 2 + Math.floor(i / ids.length)));
    replaceInput(log, added);
    await using instance = new StreamInstance(log, file);
    // The group's committed offset may be anywhere, so the first batch is the last record.
    await instance.deliver(count - 1);
    const expected = Array.from({ length: count }, (_, i) => `${i % 10}@${2 + Math.floor(i / 10)}`);
    expect(routedTo(log)).toEqual([...all(1), ...expected]);
  });

test("P1: each event of a replaced input is routed by an instance that restores its state from the log", async () => {
  const log = new SimulatedLog(1);
  log.append(
    input,
    ids.map((id) => event(id, 1)),
  );
  {
    await using instance = new StreamInstance(log, newFile());
    await instance.deliver();
    await instance.flush();
  }
  replaceInput(
    log,
    ids.map((id) => event(id, 2)),
  );
  await using instance = new StreamInstance(log, newFile());
  await instance.deliver();
  expect(routedTo(log)).toEqual([...all(1), ...all(2)]);
});

test("P1: each event of a replaced input is routed by an instance without any state", async () => {
  const log = new SimulatedLog(1);
  log.append(
    input,
    ids.map((id) => event(id, 1)),
  );
  {
    await using instance = new StreamInstance(log, newFile());
    await instance.deliver();
  }
  replaceInput(
    log,
    ids.map((id) => event(id, 2)),
  );
  await using instance = new StreamInstance(log, newFile());
  await instance.deliver();
  expect(routedTo(log)).toEqual([...all(1), ...all(2)]);
});

test("P2: a crash while a replaced input is read repeats no output", async () => {
  const log = new SimulatedLog(1);
  const file = newFile();
  log.append(input, [...ids.map((id) => event(id, 1)), invalid("old")]);
  {
    await using instance = new StreamInstance(log, file);
    await instance.deliver();
    await instance.flush();
  }
  const second = [...ids.map((id) => event(id, 2)), invalid("new")];
  replaceInput(log, second.slice(0, 4));
  {
    await using instance = new StreamInstance(log, file);
    await instance.deliver();
  }
  log.append(input, second.slice(4), 1);
  for (const next of [newFile(), file, newFile()]) {
    await using instance = new StreamInstance(log, next);
    await instance.deliver();
    await instance.flush();
  }
  expect(routedTo(log)).toEqual([...all(1), ...all(2)]);
  expect(log.records(deadLetters).map(({ key }) => String(key))).toEqual(["old", "new"]);
});

test("P4: an event of a replaced input that is older than what was routed is dropped", async () => {
  const log = new SimulatedLog(1);
  const file = newFile();
  log.append(
    input,
    ids.map((id) => event(id, 7)),
  );
  {
    await using instance = new StreamInstance(log, file);
    await instance.deliver();
  }
  replaceInput(log, [event(ids[0]!, 6), event(ids[1]!, 8)]);
  await using instance = new StreamInstance(log, file);
  await instance.deliver();
  expect(routedTo(log)).toEqual([...all(7), "1@8"]);
});

test("P1: records of the old input that were fetched before a takeover do not pass for those of the new one", async () => {
  const log = new SimulatedLog(1);
  await using instance = new StreamInstance(log, newFile());
  log.append(
    input,
    ids.slice(0, 4).map((id) => event(id, 1)),
  );
  await instance.deliver();
  log.append(
    input,
    ids.slice(4, 6).map((id) => event(id, 1)),
  );
  const fetched = log.records(input).slice(4);
  replaceInput(
    log,
    ids.slice(0, 6).map((id) => event(id, 2)),
  );
  const interrupted = instance.onInterrupted();
  await instance.deliverRecords(fetched);
  await interrupted;
  const old = ["0@1", "1@1", "2@1", "3@1"];
  expect(routedTo(log)).toEqual([...old, ...["0@2", "1@2", "2@2", "3@2", "4@2", "5@2"]]);
});

test("P1: an input that is replaced while a takeover after an interruption is delayed is read from its start", async () => {
  let isUnavailable = false;
  class Log extends SimulatedLog {
    override async openWriter(...args: Parameters<SimulatedLog["openWriter"]>) {
      if (isUnavailable) throw new Error("no broker responds");
      return super.openWriter(...args);
    }
  }
  const log = new Log(1);
  await using instance = new StreamInstance(log, newFile());
  log.append(
    input,
    ids.map((id) => event(id, 1)),
  );
  await instance.deliver();
  isUnavailable = true;
  const first = instance.onInterrupted();
  await expect(instance.deliver()).rejects.toThrow("no broker responds");
  isUnavailable = false;
  // The first interruption is still waiting for its next attempt.
  await instance.deliver();
  replaceInput(
    log,
    ids.map((id) => event(id, 2)),
  );
  const second = instance.onInterrupted();
  await instance.deliver();
  expect(routedTo(log)).toEqual([...all(1), ...all(2)]);
  await Promise.all([first, second]);
});

test("P2: an instance with an older file does not take an input for replaced that another one has read already", async () => {
  const log = new SimulatedLog(1);
  const [file, other] = [newFile(), newFile()];
  log.append(
    input,
    ids.map((id) => event(id, 1)),
  );
  {
    await using instance = new StreamInstance(log, file);
    await instance.deliver();
    await instance.flush();
  }
  replaceInput(
    log,
    ids.slice(0, 4).map((id) => event(id, 2)),
  );
  {
    await using instance = new StreamInstance(log, other);
    await instance.deliver();
    await instance.flush();
  }
  await using instance = new StreamInstance(log, file);
  expect((await instance.takeOver()).replaced).toBe(false);
  await instance.deliver();
  expect(routedTo(log)).toEqual([...all(1), "0@2", "1@2", "2@2", "3@2"]);
});
