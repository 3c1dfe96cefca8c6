/** What the log seam promises on a good day, on one real broker. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Kafka, logLevel } from "kafkajs";
import { connectLog } from "../../kafka/connect-log.ts";
import {
  type Batch,
  type ConsumeOptions,
  type Log,
  RecordRejectedError,
  type StoredRecord,
  WriterDeadError,
} from "../../kafka/log.ts";
import { createLogger } from "../../observability/logger.ts";
import { brokerAddress, eventually } from "../harness/parts.ts";
import { fencings } from "./suite.ts";

const shape = (partitions: number) => ({ partitions, replicationFactor: 1, minInSyncReplicas: 1 });
const record = (value: string) => ({ key: value, value, headers: {} });
const texts = (records: readonly StoredRecord[]) => records.map(({ value }) => String(value));

describe.each([...fencings])("writers by %s", (fencing) => {
  let log: Log;
  let logs: Log[] = [];
  const connect = async () => {
    const connected = await connectLog({
      brokers: [await brokerAddress()],
      clientId: "contract",
      logger: createLogger("contract", "1", "error"),
      fencing,
    });
    logs.push(connected);
    return connected;
  };
  beforeAll(async () => {
    log = await connect();
  }, 120_000);
  afterAll(async () => {
    await Promise.all(logs.map((each) => each.close()));
    logs = [];
  });

  async function newTopic(partitions = 1, config: Record<string, string> = {}): Promise<string> {
    const name = `contract.${crypto.randomUUID()}`;
    await log.ensureTopics([{ name, config }], shape(partitions));
    return name;
  }

  /** A write that was acknowledged is readable some milliseconds later, so that a count can be waited for. */
  async function readSome(topic: string, count: number): Promise<StoredRecord[]> {
    await eventually(async () => (await readAll(topic)).length >= count, {
      timeoutMs: 3_000,
      what: `${count} records`,
    });
    return readAll(topic);
  }

  async function readAll(topic: string, from = 0, to?: number, partition = 0): Promise<StoredRecord[]> {
    const end = to ?? (await log.offsets(topic)).get(partition)!.next;
    const all: StoredRecord[] = [];
    for await (const records of log.read({ topic, partition }, from, end)) {
      expect(records.length).toBeGreaterThan(0);
      all.push(...records);
    }
    return all;
  }

  async function deleteBefore(topic: string, offset: number): Promise<void> {
    const admin = new Kafka({ brokers: [await brokerAddress()], logLevel: logLevel.NOTHING }).admin();
    await admin.connect();
    // kafkajs deletes only where it has asked for the leaders before.
    await admin.fetchTopicMetadata({ topics: [topic] });
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: String(offset) }] });
    await admin.disconnect();
  }

  test("records come back as they were written: bytes, nulls, headers, order, offsets", async () => {
    const topic = await newTopic();
    const writer = await log.openWriter(topic, [{ topic, partition: 0 }]);
    const started = Date.now();
    const first = await writer.write({ topic, partition: 0 }, [
      { key: "kéy", value: Buffer.from([0, 255]), headers: { text: "ü", bytes: Buffer.from([1, 254]), empty: "" } },
      { key: null, value: null, headers: {} },
    ]);
    expect(first).toBe(writer.fenceOffset({ topic, partition: 0 }));
    const [one, two] = await readSome(topic, 2);
    expect(one).toMatchObject({
      topic,
      partition: 0,
      offset: first,
      key: Buffer.from("kéy"),
      value: Buffer.from([0, 255]),
    });
    expect({ ...one!.headers }).toMatchObject({ text: "ü", empty: "" });
    expect(one!.rawHeaders.bytes).toEqual(Buffer.from([1, 254]));
    expect(Math.abs(one!.timestampMs - started)).toBeLessThan(60_000);
    expect(two).toMatchObject({ offset: first + 1, key: null, value: null });
    await writer.close();
  });

  test("a write of any size is stored in order, and writes to one partition are carried out in the order of their calls", async () => {
    const topic = await newTopic();
    const topicPartition = { topic, partition: 0 };
    const writer = await log.openWriter(topic, [topicPartition]);
    const values = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name} ${i}`);
    const expected = [...values("many", 5_000), ...values("few", 3), "large".repeat(150_000), ...values("last", 10)];
    const offsets = await Promise.all([
      writer.write(topicPartition, values("many", 5_000).map(record)),
      writer.write(topicPartition, values("few", 3).map(record)),
      writer.write(topicPartition, [{ key: "k", value: "large".repeat(150_000), headers: {} }]),
      writer.write(topicPartition, values("last", 10).map(record)),
    ]);
    const all = await readSome(topic, expected.length);
    expect(texts(all)).toEqual(expected);
    expect([...offsets]).toEqual([0, 5_000, 5_003, 5_004].map((n) => all[n]!.offset));
  });

  test("a twin takes over: the older writer is refused, and what it wrote before is whole", async () => {
    const topic = await newTopic();
    const topicPartition = { topic, partition: 0 };
    const older = await log.openWriter(topic, [topicPartition]);
    await older.write(topicPartition, [record("older")]);
    const younger = await (await connect()).openWriter(topic, [topicPartition]);
    const refusal = await older.write(topicPartition, [record("too late")]).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(WriterDeadError);
    expect(older.isOpen).toBe(false);
    const offset = await younger.write(topicPartition, [record("younger")]);
    expect(offset).toBeGreaterThanOrEqual(younger.fenceOffset(topicPartition));
    expect(texts(await readSome(topic, 2))).toEqual(["older", "younger"]);
  });

  test("a record that the broker refuses is named, and the writer goes on", async () => {
    const topic = await newTopic(1, { "max.message.bytes": "1000" });
    const topicPartition = { topic, partition: 0 };
    const writer = await log.openWriter(topic, [topicPartition]);
    await expect(writer.write(topicPartition, [record("x".repeat(2_000))])).rejects.toThrow(RecordRejectedError);
    expect(writer.isOpen).toBe(true);
    await writer.write(topicPartition, [record("fits")]);
    expect(texts(await readSome(topic, 1))).toEqual(["fits"]);
  });

  test("a writer takes no more calls than it can remember, and none for other partitions, nor after its close", async () => {
    const topic = await newTopic(2);
    const topicPartition = { topic, partition: 0 };
    const writer = await log.openWriter(topic, [topicPartition]);
    const calls = Array.from({ length: 1_500 }, (_, i) => writer.write(topicPartition, [record(String(i))]));
    const outcomes = await Promise.allSettled(calls);
    const refused = outcomes.filter(({ status }) => status === "rejected");
    expect(refused.length).toBeGreaterThan(400);
    expect(String((refused[0] as PromiseRejectedResult).reason)).toContain("already wait");
    expect(await readSome(topic, 1_500 - refused.length)).toHaveLength(1_500 - refused.length);
    await expect(writer.write({ topic, partition: 1 }, [record("x")])).rejects.toThrow("was not opened for");
    await writer.close();
    expect(writer.isOpen).toBe(false);
    await expect(writer.write(topicPartition, [record("late")])).rejects.toThrow(WriterDeadError);
  });

  test("a range is read exactly, from the middle of a batch to the middle of another, over markers and deleted records", async () => {
    const topic = await newTopic();
    const topicPartition = { topic, partition: 0 };
    const batches: string[][] = [];
    for (let n = 0; n < 3; n++) {
      // Each opening writes a marker between the batches.
      const writer = await log.openWriter(topic, [topicPartition]);
      const batch = Array.from({ length: 10 }, (_, i) => `${n}.${i}`);
      await writer.write(topicPartition, batch.map(record));
      batches.push(batch);
    }
    const all = await readSome(topic, 30);
    expect(texts(all)).toEqual(batches.flat());
    const [from, to] = [all[5]!.offset, all[24]!.offset];
    expect(texts(await readAll(topic, from, to))).toEqual(batches.flat().slice(5, 24));
    expect(await readAll(topic, from, from)).toEqual([]);
    // Only a marker lies between these two.
    expect(await readAll(topic, all[9]!.offset + 1, all[10]!.offset)).toEqual([]);

    await deleteBefore(topic, all[12]!.offset);
    const { first, next } = (await log.offsets(topic)).get(0)!;
    expect(first).toBe(all[12]!.offset);
    expect(next).toBeGreaterThan(all[29]!.offset);
    expect(texts(await readAll(topic, 0, to))).toEqual(batches.flat().slice(12, 24));
  });

  test("bounds of an empty partition are equal, and a topic that is not there is said to be unknown", async () => {
    const topic = await newTopic(2);
    expect(await log.offsets(topic)).toEqual(new Map([0, 1].map((partition) => [partition, { first: 0, next: 0 }])));
    expect(await log.partitions(topic)).toBe(2);
    await log.ensureTopics([{ name: topic, config: {} }], shape(2));
    await expect(log.ensureTopics([{ name: topic, config: {} }], shape(3))).rejects.toThrow("has 2 partitions, not 3");
  });

  /** Follows with a batch recorder; `onBatch` may be replaced. */
  async function follow(options: Partial<ConsumeOptions> & { group: string; topics: readonly string[] }, on = log) {
    const batches: Batch[] = [];
    const follower = await on.consume({ onBatch: async (batch) => void batches.push(batch), ...options });
    const values = () => batches.flatMap(({ records }) => texts(records));
    return { follower, batches, values };
  }

  test("a follower that lingers waits for more in a flood, and never before one", async () => {
    const topic = await newTopic();
    const topicPartition = { topic, partition: 0 };
    const writer = await log.openWriter(topic, [topicPartition]);
    const comes = ({ values }: { values: () => string[] }, count: number) =>
      eventually(() => values().length === count, { timeoutMs: 20_000, what: `${count} records` });
    const before = await follow({ group: `${topic}-before`, topics: [topic], lingerMs: 1_500 });
    await eventually(() => before.follower.assigned().length === 1, { timeoutMs: 20_000, what: "the partition" });
    for (let i = 1; i <= 5; i++) {
      const begun = performance.now();
      await writer.write(topicPartition, [record("little")]);
      await comes(before, i);
      expect(performance.now() - begun).toBeLessThan(1_500);
    }
    await before.follower.close();

    await writer.write(
      topicPartition,
      Array.from({ length: 300 }, () => record("much".repeat(2_500))),
    );
    // It finds all of that there, and so comes to its end in one go.
    const flooded = await follow({ group: `${topic}-flooded`, topics: [topic], lingerMs: 1_500 });
    await comes(flooded, 305);
    const [batches, begun] = [flooded.batches.length, performance.now()];
    for (let i = 0; i < 5; i++) await writer.write(topicPartition, [record("then")]);
    await comes(flooded, 310);
    expect(flooded.batches.length - batches).toBe(1);
    expect(performance.now() - begun).toBeGreaterThan(500);
    await flooded.follower.close();
  });

  test("a follower gets every record of its partitions in order, and goes on where it stopped", async () => {
    const topic = await newTopic(3);
    const partitions = [0, 1, 2].map((partition) => ({ topic, partition }));
    const writer = await log.openWriter(topic, partitions);
    const write = (from: number, to: number) =>
      Promise.all(
        partitions.map((topicPartition) =>
          writer.write(
            topicPartition,
            Array.from({ length: to - from }, (_, i) => record(`${topicPartition.partition}.${from + i}`)),
          ),
        ),
      );
    await write(0, 500);
    const first = await follow({ group: topic, topics: [topic] });
    await eventually(() => first.values().length === 1_500, { timeoutMs: 20_000, what: "the first 1,500 records" });
    expect(first.follower.assigned()).toHaveLength(3);
    expect(first.follower.fetchAgeMs()).toBeLessThan(5_000);
    await first.follower.close();
    await first.follower.ended;

    await write(500, 520);
    const second = await follow({ group: topic, topics: [topic] });
    await eventually(() => second.values().length >= 60, { timeoutMs: 20_000, what: "the other 60 records" });
    for (const { partition } of partitions) {
      const of = (batches: readonly Batch[]) =>
        batches.filter((batch) => batch.partition === partition).flatMap(({ records }) => texts(records));
      expect(of(first.batches)).toEqual(Array.from({ length: 500 }, (_, i) => `${partition}.${i}`));
      expect(of(second.batches)).toEqual(Array.from({ length: 20 }, (_, i) => `${partition}.${500 + i}`));
    }
    await second.follower.close();
  });

  test("a batch that fails comes again until it is taken, nothing overtakes it, and other partitions flow on", async () => {
    const topic = await newTopic(2);
    const partitions = [0, 1].map((partition) => ({ topic, partition }));
    const writer = await log.openWriter(topic, partitions);
    await writer.write(partitions[0]!, [record("bad")]);
    let failures = 0;
    let inside = 0;
    const taken: string[] = [];
    const { follower } = await follow({
      group: topic,
      topics: [topic],
      onBatch: async ({ partition, records }) => {
        if (partition === 0) expect(++inside).toBe(1);
        try {
          await Bun.sleep(5);
          if (texts(records).includes("bad") && failures++ < 3) throw new Error("not yet");
          taken.push(...texts(records));
        } finally {
          if (partition === 0) inside--;
        }
      },
    });
    await eventually(() => failures > 0, { timeoutMs: 20_000, what: "a first failure" });
    await Promise.all([
      writer.write(partitions[0]!, [record("after")]),
      writer.write(partitions[1]!, [record("other")]),
    ]);
    await eventually(() => taken.length === 3, { timeoutMs: 20_000, what: "all three records" });
    expect(taken[0]).toBe("other");
    expect(taken.slice(1)).toEqual(["bad", "after"]);
    await follower.close();
  });

  test("members share the partitions, hand them over without a record lost, doubled or processed by two at once", async () => {
    const topic = await newTopic(6);
    const partitions = Array.from({ length: 6 }, (_, partition) => ({ topic, partition }));
    const writer = await log.openWriter(topic, partitions);
    const inside = new Set<number>();
    const taken: string[] = [];
    let overlaps = 0;
    const revoked: string[] = [];
    const member = async (name: string) =>
      (await connect()).consume({
        group: topic,
        topics: [topic],
        onRevoked: (lost) => void revoked.push(...lost.map(({ partition }) => `${name} ${partition}`)),
        onBatch: async ({ partition, records }) => {
          if (inside.has(partition)) overlaps++;
          inside.add(partition);
          await Bun.sleep(10);
          taken.push(...texts(records));
          inside.delete(partition);
        },
      });
    let sent = 0;
    let writing = true;
    const load = (async () => {
      for (; writing; await Bun.sleep(15))
        await Promise.all(partitions.map((topicPartition) => writer.write(topicPartition, [record(`${sent++}`)])));
    })();
    const a = await member("a");
    await eventually(() => a.assigned().length === 6, { timeoutMs: 20_000, what: "a owns all" });
    const b = await member("b");
    await eventually(() => a.assigned().length === 3 && b.assigned().length === 3, {
      timeoutMs: 20_000,
      what: "half each",
    });
    expect(revoked).toHaveLength(3);
    await a.close();
    await eventually(() => b.assigned().length === 6, { timeoutMs: 20_000, what: "b owns all" });
    writing = false;
    await load;
    await eventually(() => taken.length >= sent, { timeoutMs: 20_000, what: "everything taken" });
    expect(taken).toHaveLength(sent);
    expect(new Set(taken).size).toBe(sent);
    expect(overlaps).toBe(0);
    await b.close();
  });

  test("a partition of which more waits is handed over when the batch under way is done, and the rest comes once", async () => {
    const topic = await newTopic(2);
    const partitions = [0, 1].map((partition) => ({ topic, partition }));
    const writer = await log.openWriter(topic, partitions);
    const write = (value: string) =>
      Promise.all(partitions.map((topicPartition) => writer.write(topicPartition, [record(value)])));
    const slow = Promise.withResolvers<void>();
    const taken: string[] = [];
    let begun = 0;
    const onBatch = async ({ partition, records }: Batch) => {
      begun++;
      await slow.promise;
      taken.push(...texts(records).map((value) => `${partition} ${value}`));
    };
    await write("under way");
    const first = await follow({ group: topic, topics: [topic], onBatch });
    await eventually(() => begun === 2, { timeoutMs: 20_000, what: "both batches under way" });
    await write("waiting");
    const second = await follow({ group: topic, topics: [topic], onBatch }, await connect());
    // Long enough for the first to have fetched what waits, and to have heard that it is to give one up.
    await Bun.sleep(2_500);
    slow.resolve();
    await eventually(() => second.follower.assigned().length === 1, { timeoutMs: 20_000, what: "the second owns one" });
    await eventually(() => taken.length >= 4, { timeoutMs: 20_000, what: "all four records" });
    expect(taken.toSorted()).toEqual(["0 under way", "0 waiting", "1 under way", "1 waiting"]);
    await first.follower.close();
    await second.follower.close();
  });

  test("records that were deleted before they were read are reported as a gap", async () => {
    const topic = await newTopic();
    const topicPartition = { topic, partition: 0 };
    const writer = await log.openWriter(topic, [topicPartition]);
    await writer.write(topicPartition, ["a", "b", "c", "d"].map(record));
    const reader = await follow({ group: topic, topics: [topic] });
    await eventually(() => reader.values().length === 4, { timeoutMs: 20_000, what: "the first records" });
    await reader.follower.close();
    const lost = await writer.write(topicPartition, ["e", "f"].map(record));
    const kept = await writer.write(topicPartition, [record("g")]);
    await deleteBefore(topic, kept);
    const gaps: unknown[] = [];
    const late = await follow({ group: topic, topics: [topic], onGap: (...gap) => void gaps.push(gap) });
    await eventually(() => late.values().length === 1, { timeoutMs: 20_000, what: "what is left" });
    expect(late.values()).toEqual(["g"]);
    // From where the reader stopped, or from the marker after it.
    expect(gaps).toEqual([[topicPartition, expect.any(Number), kept]]);
    expect((gaps[0] as unknown[])[1]).toBeLessThanOrEqual(lost);
    await late.follower.close();
  });

  test("a static member that died takes its place again at once; one that is still there is ended", async () => {
    const topic = await newTopic(4);
    const first = await follow({ group: topic, topics: [topic], groupInstanceId: "one" });
    await eventually(() => first.follower.assigned().length === 4, { timeoutMs: 20_000, what: "the first owns all" });
    const started = performance.now();
    const again = await follow({ group: topic, topics: [topic], groupInstanceId: "one" }, await connect());
    await eventually(() => again.follower.assigned().length === 4, { timeoutMs: 8_000, what: "the second owns all" });
    expect(performance.now() - started).toBeLessThan(8_000);
    await expect(first.follower.ended).rejects.toThrow("FENCED_INSTANCE_ID");
    await again.follower.close();
  });
});
