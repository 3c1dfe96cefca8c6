/** Rows about taking over: nothing that an earlier writer of a name still has in flight can do harm. */
import { expect, test } from "bun:test";
import { type LogWriter, type TopicPartition, WriterDeadError } from "../../kafka/log.ts";
import { eventually } from "../harness/eventually.ts";
import { api } from "../harness/tcp-proxy.ts";
import { partitionsOf } from "./load.ts";
import { expectContent, type Fencing, type GetSuite, readAll, record, type Suite } from "./suite.ts";
import { recordResult } from "./table.ts";

const TEST_TIMEOUT_MS = 60_000;

/** The requests that set the fence. */
const fenceRequests = {
  initProducerId: api.initProducerId,
  addPartitionsToTxn: api.addPartitionsToTxn,
  endTxn: api.endTxn,
};

/** Declares all rows for one kind of writer. */
export function fencingRows(getSuite: GetSuite, fencing: Fencing): void {
  test(
    "a new writer fences the one before: its next write is rejected, and none of its records is stored later",
    () => newerWriterRow(getSuite(), fencing),
    TEST_TIMEOUT_MS,
  );
  test(
    "a write that the network delays until another writer has taken over is rejected by the broker",
    () => delayedWriteRow(getSuite(), fencing),
    TEST_TIMEOUT_MS,
  );
  for (const [request, key] of Object.entries(fenceRequests))
    for (const on of ["request", "response"] as const)
      test(
        `the fence holds when the ${on} of ${request} is lost while a writer opens`,
        () => lostFenceMessageRow(getSuite(), fencing, { on, request, key }),
        TEST_TIMEOUT_MS,
      );
  test(
    "of six writers of one name, three of which open at once, each is fenced by the next, and one can write",
    () => concurrentOpeningsRow(getSuite(), fencing),
    TEST_TIMEOUT_MS,
  );
}

async function newerWriterRow(suite: Suite, fencing: Fencing): Promise<void> {
  const topic = await suite.newTopic();
  const older = await (await suite.connect(fencing)).openWriter(`${topic}.fenced`, partitionsOf(topic));
  const load = writeUntilDead(older, topic);
  await eventually(() => load.acknowledged.length > 100, { timeoutMs: 10_000, what: "100 writes of the older writer" });
  const newer = await (await suite.connect(fencing)).openWriter(`${topic}.fenced`, partitionsOf(topic));
  await newer.write({ topic, partition: 0 }, [record("newer")]);
  // An idle writer learns at its next write that it is fenced.
  await load.ended;
  expect(load.rejections.length).toBeGreaterThan(0);
  for (const error of load.rejections) expectFenced(error, fencing);
  for (const { partition, offset } of load.acknowledged)
    expect(offset).toBeLessThan(newer.fenceOffset({ topic, partition }));
  for (const each of partitionsOf(topic)) {
    const late = (await readAll(suite.log, each)).filter(({ offset }) => offset >= newer.fenceOffset(each));
    expect(late.filter(({ value }) => String(value).startsWith("older"))).toEqual([]);
  }
  await newer.close();
  const details = `${load.acknowledged.length} writes before, ${load.rejections.length} rejected`;
  recordResult("fenced by a newer writer", `seam, ${fencing}`, true, details);
}

/** Writes to all partitions until the writer is dead. */
function writeUntilDead(writer: LogWriter, topic: string) {
  const acknowledged: { partition: number; offset: number }[] = [];
  const rejections: unknown[] = [];
  const loops = partitionsOf(topic).map(async (each) => {
    for (let n = 0; writer.isOpen; n++) {
      try {
        const offset = await writer.write(each, [record(`older ${n}`)]);
        acknowledged.push({ partition: each.partition, offset });
      } catch (error) {
        rejections.push(error);
      }
    }
  });
  return { acknowledged, rejections, ended: Promise.all(loops) };
}

/**
 * With transactions the first error of a fenced writer varies, because the newer writer aborts its transaction. A batch
 * then gets INVALID_TXN_STATE. A commit during the abort sometimes gets UNKNOWN_SERVER_ERROR (-1) from Kafka 4.3. Each
 * error ends the writer.
 */
function expectFenced(error: unknown, fencing: Fencing): void {
  expect(error).toBeInstanceOf(WriterDeadError);
  const { fenced, message } = error as WriterDeadError;
  if (!fenced) expect(`${fencing}: ${message}`).toMatch(/^transactions: .*(INVALID_TXN_STATE|error code -1)/);
}

async function delayedWriteRow(suite: Suite, fencing: Fencing): Promise<void> {
  const { log, brokers } = suite;
  const topic = await suite.newTopic(1);
  const topicPartition = { topic, partition: 0 };
  const older = await (await suite.connect(fencing)).openWriter(`${topic}.zombie`, [topicPartition]);
  await older.write(topicPartition, [record("first")]);
  const leader = brokers.all[(await brokers.leaders(topic))[0]! - 1]!;
  const held = leader.proxy.fault({ on: "request", api: api.produce, action: "hold", times: 1 });
  const delayed = older.write(topicPartition, [record("delayed")]).catch((error: unknown) => error);
  await eventually(() => held.count() === 1, { timeoutMs: 5_000, what: "the delayed write" });

  const newer = await (await suite.connect(fencing)).openWriter(`${topic}.zombie`, [topicPartition]);
  await newer.write(topicPartition, [record("second")]);
  held.release();
  expect(await delayed).toBeInstanceOf(WriterDeadError);
  await newer.write(topicPartition, [record("third")]);
  await expectContent(log, topicPartition, ["first", "second", "third"]);
  recordResult("delayed write of a fenced writer", `seam, ${fencing}`, true, "rejected when it arrived");
}

async function lostFenceMessageRow(
  suite: Suite,
  fencing: Fencing,
  { on, request, key }: { on: "request" | "response"; request: string; key: number },
): Promise<void> {
  const topic = await suite.newTopic(3);
  const partitions = partitionsOf(topic).slice(0, 3);
  const older = await (await suite.connect(fencing)).openWriter(`${topic}.lost`, partitions);
  for (const each of partitions) await older.write(each, [record("older")]);
  const faults = suite.brokers.all.map(({ proxy }) => proxy.fault({ on, api: key, action: "reset", times: 1 }));
  const newer = await (await suite.connect(fencing)).openWriter(`${topic}.lost`, partitions);
  for (const fault of faults) fault.end();
  expect(faults.reduce((sum, fault) => sum + fault.count(), 0)).toBeGreaterThan(0);
  await expectTakenOver(suite, older, newer, partitions);
  recordResult(`lost ${on} of ${request}`, `seam, ${fencing}`, true, "fenced");
}

async function expectTakenOver(
  { log }: Suite,
  older: LogWriter,
  newer: LogWriter,
  partitions: readonly TopicPartition[],
): Promise<void> {
  for (const each of partitions) await newer.write(each, [record("newer")]);
  for (const each of partitions) await expect(older.write(each, [record("late")])).rejects.toThrow(WriterDeadError);
  for (const each of partitions) await expectContent(log, each, ["older", "newer"]);
}

async function concurrentOpeningsRow(suite: Suite, fencing: Fencing): Promise<void> {
  const topic = await suite.newTopic(3);
  const partitions = partitionsOf(topic).slice(0, 3);
  const log = await suite.connect(fencing);
  const open = () => log.openWriter(`${topic}.concurrent`, partitions);
  // Of openings at the same time mostly one succeeds, so the other three open one after the other.
  const writers = [await open(), await open(), await open()];
  const openings = await Promise.allSettled([open(), open(), open()]);
  for (const opening of openings) if (opening.status === "fulfilled") writers.push(opening.value);
  for (const opening of openings)
    if (opening.status === "rejected") expect(opening.reason).toMatchObject({ name: "WriterDeadError", fenced: true });
  const acknowledged = new Map<number, string>();
  const countWritten = async (round: string) => {
    const writes = await Promise.allSettled(
      writers.map(async (writer, i) => {
        const value = `writer ${i} ${round}`;
        acknowledged.set(await writer.write(partitions[0]!, [record(value)]), value);
      }),
    );
    return writes.filter(({ status }) => status === "fulfilled").length;
  };
  // An older writer may store a record before the last marker. In the end one writer is left.
  const first = await countWritten("first");
  expect(await countWritten("second")).toBe(1);
  const read = async () =>
    new Map((await readAll(suite.log, partitions[0]!)).map(({ offset, value }) => [offset, String(value)]));
  // A committed transaction is readable some milliseconds later.
  const isReadable = async () => (await read()).has(Math.max(...acknowledged.keys()));
  await eventually(isReadable, { timeoutMs: 20_000, what: "the last acknowledged record" });
  const stored = await read();
  for (const [offset, value] of acknowledged) expect(stored.get(offset), `the record at ${offset}`).toBe(value);
  const last = writers.find(({ isOpen }) => isOpen)!;
  const late = [...stored].filter(([offset]) => offset >= last.fenceOffset(partitions[0]!)).map(([, value]) => value);
  const index = writers.indexOf(last);
  expect(late, "records after the last fence").toEqual([`writer ${index} first`, `writer ${index} second`]);
  const details = `${writers.length} opened, ${first} wrote at first, 1 after`;
  recordResult("six writers of one name", `seam, ${fencing}`, true, details);
}
