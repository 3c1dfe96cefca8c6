/** The contract of `Consumer`, without faults, on one real broker. */
import { describe, expect, test } from "bun:test";
import type { Batch } from "../../kafka/log.ts";
import { eventually } from "../harness/servers.ts";
import { texts, useContract } from "./contract.ts";
import { fencings, record } from "./suite.ts";

describe.each([...fencings])("writers with %s", (fencing) => {
  const contract = useContract(fencing);

  test("a consumer with lingerMs delays fetches at a high volume, and never at a low one", async () => {
    const topic = await contract.newTopic();
    const topicPartition = { topic, partition: 0 };
    const writer = await contract.log.openWriter(topic, [topicPartition]);
    const receives = ({ values }: { values: () => string[] }, count: number) =>
      eventually(() => values().length === count, { timeoutMs: 20_000, what: `${count} records` });
    const lowVolume = await contract.consume({ group: `${topic}-low`, topics: [topic], lingerMs: 1_500 });
    await eventually(() => lowVolume.consumer.assigned().length === 1, {
      timeoutMs: 20_000,
      what: "the partition assigned",
    });
    for (let i = 1; i <= 5; i++) {
      const startedMs = performance.now();
      await writer.write(topicPartition, [record("small")]);
      await receives(lowVolume, i);
      expect(performance.now() - startedMs).toBeLessThan(1_500);
    }
    await lowVolume.consumer.close();

    await writer.write(
      topicPartition,
      Array.from({ length: 300 }, () => record("many".repeat(2_500))),
    );
    // All records are stored already, so it reads them without delay.
    const highVolume = await contract.consume({ group: `${topic}-high`, topics: [topic], lingerMs: 1_500 });
    await receives(highVolume, 305);
    const [batches, startedMs] = [highVolume.batches.length, performance.now()];
    for (let i = 0; i < 5; i++) await writer.write(topicPartition, [record("last")]);
    await receives(highVolume, 310);
    expect(highVolume.batches.length - batches).toBe(1);
    expect(performance.now() - startedMs).toBeGreaterThan(500);
    await highVolume.consumer.close();
  });

  test("a consumer gets every record of its partitions in order, and continues where it stopped", async () => {
    const topic = await contract.newTopic(3);
    const partitions = [0, 1, 2].map((partition) => ({ topic, partition }));
    const writer = await contract.log.openWriter(topic, partitions);
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
    const first = await contract.consume({ group: topic, topics: [topic] });
    await eventually(() => first.values().length === 1_500, { timeoutMs: 20_000, what: "the first 1,500 records" });
    expect(first.consumer.assigned()).toHaveLength(3);
    expect(first.consumer.fetchAgeMs()).toBeLessThan(5_000);
    await first.consumer.close();
    await first.consumer.ended;

    await write(500, 520);
    const second = await contract.consume({ group: topic, topics: [topic] });
    await eventually(() => second.values().length >= 60, { timeoutMs: 20_000, what: "the other 60 records" });
    for (const { partition } of partitions) {
      const of = (batches: readonly Batch[]) =>
        batches.filter((batch) => batch.partition === partition).flatMap(({ records }) => texts(records));
      expect(of(first.batches)).toEqual(Array.from({ length: 500 }, (_, i) => `${partition}.${i}`));
      expect(of(second.batches)).toEqual(Array.from({ length: 20 }, (_, i) => `${partition}.${500 + i}`));
    }
    await second.consumer.close();
  });

  test("a rejected batch is delivered again, no batch overtakes it, and other partitions continue", async () => {
    const topic = await contract.newTopic(2);
    const partitions = [0, 1].map((partition) => ({ topic, partition }));
    const writer = await contract.log.openWriter(topic, partitions);
    await writer.write(partitions[0]!, [record("bad")]);
    let failures = 0;
    let active = 0;
    const processed: string[] = [];
    const { consumer } = await contract.consume({
      group: topic,
      topics: [topic],
      onBatch: async ({ partition, records }) => {
        if (partition === 0) expect(++active).toBe(1);
        try {
          await Bun.sleep(5);
          if (texts(records).includes("bad") && failures++ < 3) throw new Error("not yet");
          processed.push(...texts(records));
        } finally {
          if (partition === 0) active--;
        }
      },
    });
    await eventually(() => failures > 0, { timeoutMs: 20_000, what: "a first failure" });
    await Promise.all([
      writer.write(partitions[0]!, [record("after")]),
      writer.write(partitions[1]!, [record("other")]),
    ]);
    await eventually(() => processed.length === 3, { timeoutMs: 20_000, what: "all three records" });
    expect(processed[0]).toBe("other");
    expect(processed.slice(1)).toEqual(["bad", "after"]);
    await consumer.close();
  });

  test("members hand partitions over: no record is lost, duplicated or processed by two at once", async () => {
    const topic = await contract.newTopic(6);
    const partitions = Array.from({ length: 6 }, (_, partition) => ({ topic, partition }));
    const writer = await contract.log.openWriter(topic, partitions);
    const active = new Set<number>();
    const processed: string[] = [];
    let overlaps = 0;
    const revoked: string[] = [];
    const member = async (name: string) =>
      (await contract.connect()).consume({
        group: topic,
        topics: [topic],
        onRevoked: (lost) => void revoked.push(...lost.map(({ partition }) => `${name} ${partition}`)),
        onBatch: async ({ partition, records }) => {
          if (active.has(partition)) overlaps++;
          active.add(partition);
          await Bun.sleep(10);
          processed.push(...texts(records));
          active.delete(partition);
        },
      });
    let sent = 0;
    let writing = true;
    const load = (async () => {
      for (; writing; await Bun.sleep(15))
        await Promise.all(partitions.map((topicPartition) => writer.write(topicPartition, [record(`${sent++}`)])));
    })();
    const a = await member("a");
    await eventually(() => a.assigned().length === 6, { timeoutMs: 20_000, what: "6 partitions for a" });
    const b = await member("b");
    await eventually(() => a.assigned().length === 3 && b.assigned().length === 3, {
      timeoutMs: 20_000,
      what: "3 partitions for each",
    });
    expect(revoked).toHaveLength(3);
    await a.close();
    await eventually(() => b.assigned().length === 6, { timeoutMs: 20_000, what: "6 partitions for b" });
    writing = false;
    await load;
    await eventually(() => processed.length >= sent, { timeoutMs: 20_000, what: "all records processed" });
    expect(processed).toHaveLength(sent);
    expect(new Set(processed).size).toBe(sent);
    expect(overlaps).toBe(0);
    await b.close();
  });

  test("a partition moves after the batch in flight, and its new owner gets the queued records once", async () => {
    const topic = await contract.newTopic(2);
    const partitions = [0, 1].map((partition) => ({ topic, partition }));
    const writer = await contract.log.openWriter(topic, partitions);
    const write = (value: string) =>
      Promise.all(partitions.map((topicPartition) => writer.write(topicPartition, [record(value)])));
    const slow = Promise.withResolvers<void>();
    const processed: string[] = [];
    const inFlight: Batch[] = [];
    const onBatch = async (batch: Batch) => {
      inFlight.push(batch);
      await slow.promise;
      processed.push(...texts(batch.records).map((value) => `${batch.partition} ${value}`));
    };
    await write("in flight");
    const first = await contract.consume({ group: topic, topics: [topic], onBatch });
    await eventually(() => inFlight.length === 2, { timeoutMs: 20_000, what: "both batches in flight" });
    const ends = await write("queued");
    const hasFetched = () => first.consumer.positions().every(({ partition, end }) => end > ends[partition]!);
    await eventually(hasFetched, { timeoutMs: 20_000, what: "the queued records at the first consumer" });
    const second = await contract.consume({ group: topic, topics: [topic], onBatch }, await contract.connect());
    const isRevoking = () => inFlight.some(({ isCurrent }) => isCurrent?.() === false);
    await eventually(isRevoking, { timeoutMs: 20_000, what: "the first consumer to revoke a partition" });
    expect(second.consumer.assigned()).toEqual([]);
    slow.resolve();
    await eventually(() => second.consumer.assigned().length === 1, {
      timeoutMs: 20_000,
      what: "one partition for the second",
    });
    await eventually(() => processed.length >= 4, { timeoutMs: 20_000, what: "all four records" });
    expect(processed.toSorted()).toEqual(["0 in flight", "0 queued", "1 in flight", "1 queued"]);
    await first.consumer.close();
    await second.consumer.close();
  });

  test("records that were deleted before the group read them are reported as a gap", async () => {
    const topic = await contract.newTopic();
    const topicPartition = { topic, partition: 0 };
    const writer = await contract.log.openWriter(topic, [topicPartition]);
    await writer.write(topicPartition, ["a", "b", "c", "d"].map(record));
    const reader = await contract.consume({ group: topic, topics: [topic] });
    await eventually(() => reader.values().length === 4, { timeoutMs: 20_000, what: "the first records" });
    await reader.consumer.close();
    const lost = await writer.write(topicPartition, ["e", "f"].map(record));
    const remaining = await writer.write(topicPartition, [record("g")]);
    await contract.deleteBefore(topic, remaining);
    const gaps: unknown[] = [];
    const late = await contract.consume({ group: topic, topics: [topic], onGap: (...gap) => void gaps.push(gap) });
    await eventually(() => late.values().length === 1, { timeoutMs: 20_000, what: "the remaining record" });
    expect(late.values()).toEqual(["g"]);
    // The gap starts where the first consumer stopped, or at the marker after it.
    expect(gaps).toEqual([[topicPartition, expect.any(Number), remaining]]);
    expect((gaps[0] as unknown[])[1]).toBeLessThanOrEqual(lost);
    await late.consumer.close();
  });

  test("a restarted static member takes its partitions back at once, and the older one ends", async () => {
    const topic = await contract.newTopic(4);
    const first = await contract.consume({ group: topic, topics: [topic], groupInstanceId: "one" });
    await eventually(() => first.consumer.assigned().length === 4, {
      timeoutMs: 20_000,
      what: "all partitions for the first",
    });
    const started = performance.now();
    const restarted = await contract.consume(
      { group: topic, topics: [topic], groupInstanceId: "one" },
      await contract.connect(),
    );
    await eventually(() => restarted.consumer.assigned().length === 4, {
      timeoutMs: 8_000,
      what: "all partitions for the second",
    });
    expect(performance.now() - started).toBeLessThan(8_000);
    await expect(first.consumer.ended).rejects.toThrow("FENCED_INSTANCE_ID");
    await restarted.consumer.close();
  });
});
