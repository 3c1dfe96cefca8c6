/** The contract of `Log` and `LogWriter`, without faults, on one real broker. */
import { describe, expect, test } from "bun:test";
import { RecordRejectedError, WriterDeadError } from "../../kafka/log.ts";
import { eventually } from "../harness/eventually.ts";
import { layout, texts, useContract } from "./contract.ts";
import { fencings, record } from "./suite.ts";

describe.each([...fencings])("writers with %s", (fencing) => {
  const contract = useContract(fencing);

  test("records come back as they were written: bytes, nulls, headers, order, offsets", async () => {
    const topic = await contract.newTopic();
    const writer = await contract.log.openWriter(topic, [{ topic, partition: 0 }]);
    const started = Date.now();
    const first = await writer.write({ topic, partition: 0 }, [
      { key: "kéy", value: Buffer.from([0, 255]), headers: { text: "ü", bytes: Buffer.from([1, 254]), empty: "" } },
      { key: null, value: null, headers: {} },
    ]);
    expect(first).toBe(writer.fenceOffset({ topic, partition: 0 }));
    const [one, two] = await contract.readWhenComplete(topic, 2);
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

  test("writes of any size to one partition are stored in the order of the calls", async () => {
    const topic = await contract.newTopic();
    const topicPartition = { topic, partition: 0 };
    const writer = await contract.log.openWriter(topic, [topicPartition]);
    const values = (name: string, count: number) => Array.from({ length: count }, (_, i) => `${name} ${i}`);
    const expected = [...values("many", 5_000), ...values("few", 3), "large".repeat(150_000), ...values("last", 10)];
    const offsets = await Promise.all([
      writer.write(topicPartition, values("many", 5_000).map(record)),
      writer.write(topicPartition, values("few", 3).map(record)),
      writer.write(topicPartition, [{ key: "k", value: "large".repeat(150_000), headers: {} }]),
      writer.write(topicPartition, values("last", 10).map(record)),
    ]);
    const all = await contract.readWhenComplete(topic, expected.length);
    expect(texts(all)).toEqual(expected);
    expect([...offsets]).toEqual([0, 5_000, 5_003, 5_004].map((n) => all[n]!.offset));
  });

  test("two writers of one partition with different names that write at once both store their records once", async () => {
    const topic = await contract.newTopic();
    const topicPartition = { topic, partition: 0 };
    const names = ["one", "two", "three"];
    const writers = await Promise.all(
      names.map((name) => contract.log.openWriter(`${topic}.${name}`, [topicPartition])),
    );
    const offsets = await Promise.all(writers.map((writer, i) => writer.write(topicPartition, [record(names[i]!)])));
    const stored = await contract.readWhenComplete(topic, names.length);
    const expected = names.map((name, i) => `${name} at ${offsets[i]}`);
    expect(stored.map(({ value, offset }) => `${value} at ${offset}`).toSorted()).toEqual(expected.toSorted());
  });

  test("a write without records is refused", async () => {
    const topic = await contract.newTopic();
    const writer = await contract.log.openWriter(topic, [{ topic, partition: 0 }]);
    await expect(writer.write({ topic, partition: 0 }, [])).rejects.toThrow(`a write to ${topic}/0 has no records`);
    expect(() => writer.fenceOffset({ topic, partition: 7 })).toThrow(`writer ${topic} was not opened for ${topic}/7`);
    expect(writer.isOpen).toBe(true);
  });

  test("a newer writer takes over: the older one is rejected, and its earlier records are complete", async () => {
    const topic = await contract.newTopic();
    const topicPartition = { topic, partition: 0 };
    const older = await contract.log.openWriter(topic, [topicPartition]);
    await older.write(topicPartition, [record("older")]);
    const newer = await (await contract.connect()).openWriter(topic, [topicPartition]);
    const rejection = await older.write(topicPartition, [record("late")]).catch((error: unknown) => error);
    expect(rejection).toBeInstanceOf(WriterDeadError);
    expect(older.isOpen).toBe(false);
    const offset = await newer.write(topicPartition, [record("newer")]);
    expect(offset).toBeGreaterThanOrEqual(newer.fenceOffset(topicPartition));
    expect(texts(await contract.readWhenComplete(topic, 2))).toEqual(["older", "newer"]);
  });

  test("a record that the broker rejects is reported, and the writer stays open", async () => {
    const topic = await contract.newTopic(1, { "max.message.bytes": "100000" });
    const topicPartition = { topic, partition: 0 };
    const writer = await contract.log.openWriter(topic, [topicPartition]);
    // The first 2,000 records fit into a batch of their own.
    const values = Array.from({ length: 2_000 }, (_, i) => `${i}`);
    const records = [...values, "x".repeat(150_000), "after"].map(record);
    const rejection = await writer.write(topicPartition, records).catch((error: unknown) => error);
    expect(rejection).toBeInstanceOf(RecordRejectedError);
    expect(rejection).toMatchObject({
      kind: "too large",
      stored: 2_000,
      rejected: 2,
      message:
        `the broker rejects a record for ${topic}/0: MESSAGE_TOO_LARGE; ` +
        "shorten the record or raise the topic's limits",
    });
    expect(writer.isOpen).toBe(true);
    await writer.write(topicPartition, [record("fits")]);
    expect(texts(await contract.readWhenComplete(topic, 2_001))).toEqual([...values, "fits"]);
  });

  test("a read beyond the end waits for the records, and ends with the log", async () => {
    const topic = await contract.newTopic();
    const topicPartition = { topic, partition: 0 };
    const writer = await contract.log.openWriter(topic, [topicPartition]);
    const first = await writer.write(topicPartition, [record("a")]);
    const log = await contract.connect();
    const read = async (to: number) => {
      const values: string[] = [];
      for await (const records of log.read(topicPartition, first, to)) values.push(...texts(records));
      return values;
    };
    const waiting = read(first + 2);
    const endless = read(first + 100).catch((error: Error) => error.message);
    await writer.write(topicPartition, [record("b")]);
    // In a transaction of its own, "b" follows a marker.
    expect((await waiting)[0]).toBe("a");
    await log.close();
    expect(await endless).toBe("the log is closed");
  });

  test("a writer rejects writes beyond its queue's limit, for other partitions, and after close", async () => {
    const topic = await contract.newTopic(2);
    const topicPartition = { topic, partition: 0 };
    const writer = await contract.log.openWriter(topic, [topicPartition]);
    const calls = Array.from({ length: 1_500 }, (_, i) => writer.write(topicPartition, [record(String(i))]));
    const outcomes = await Promise.allSettled(calls);
    const rejected = outcomes.filter(({ status }) => status === "rejected");
    expect(rejected.length).toBeGreaterThan(400);
    expect(String((rejected[0] as PromiseRejectedResult).reason)).toContain("already queued");
    expect(await contract.readWhenComplete(topic, 1_500 - rejected.length)).toHaveLength(1_500 - rejected.length);
    await expect(writer.write({ topic, partition: 1 }, [record("x")])).rejects.toThrow("was not opened for");
    await writer.close();
    expect(writer.isOpen).toBe(false);
    await expect(writer.write(topicPartition, [record("late")])).rejects.toThrow(WriterDeadError);
    // 1,000 transactions one after the other take 4.4 s.
  }, 30_000);

  test("a range is read exactly, between the middles of two batches, over markers and deleted records", async () => {
    const topic = await contract.newTopic();
    const topicPartition = { topic, partition: 0 };
    const batches: string[][] = [];
    for (let n = 0; n < 3; n++) {
      // Each opening writes a marker between two batches.
      const writer = await contract.log.openWriter(topic, [topicPartition]);
      const batch = Array.from({ length: 10 }, (_, i) => `${n}.${i}`);
      await writer.write(topicPartition, batch.map(record));
      batches.push(batch);
    }
    const all = await contract.readWhenComplete(topic, 30);
    expect(texts(all)).toEqual(batches.flat());
    const [from, to] = [all[5]!.offset, all[24]!.offset];
    expect(texts(await contract.read(topic, from, to))).toEqual(batches.flat().slice(5, 24));
    expect(await contract.read(topic, from, from)).toEqual([]);
    // Only a marker is between these two offsets.
    expect(await contract.read(topic, all[9]!.offset + 1, all[10]!.offset)).toEqual([]);

    await contract.deleteBefore(topic, all[12]!.offset);
    const { first, next } = (await contract.log.offsets(topic)).get(0)!;
    expect(first).toBe(all[12]!.offset);
    expect(next).toBeGreaterThan(all[29]!.offset);
    expect(texts(await contract.read(topic, 0, to))).toEqual(batches.flat().slice(12, 24));
  });

  test("both offsets of an empty partition are equal, and ensureTopics rejects another partition count", async () => {
    const topic = await contract.newTopic(2);
    expect(await contract.log.offsets(topic)).toEqual(
      new Map([0, 1].map((partition) => [partition, { first: 0, next: 0 }])),
    );
    expect(await contract.log.partitionCount(topic)).toBe(2);
    await contract.log.ensureTopics([{ name: topic, config: {} }], layout(2));
    await expect(contract.log.ensureTopics([{ name: topic, config: {} }], layout(3))).rejects.toThrow(
      "has 2 partitions, not 3",
    );
  });

  test("a topic that is deleted and created again has another identity, and a missing one has none", async () => {
    const topic = await contract.newTopic(2);
    const identity = async () => (await contract.log.topicIds([topic])).get(topic);
    const first = await identity();
    expect(first).toMatch(/^[0-9a-f]{32}$/);
    expect(await identity()).toBe(first);
    await contract.deleteTopic(topic);
    await eventually(async () => (await identity()) === undefined, { timeoutMs: 10_000, what: "the topic to be gone" });
    await contract.log.ensureTopics([{ name: topic, config: {} }], layout(2));
    expect(await identity()).toMatch(/^[0-9a-f]{32}$/);
    expect(await identity()).not.toBe(first);
  });
});
