/** Rows about taking over: whatever an earlier writer of a name still has under way can do no harm. */
import { expect, test } from "bun:test";
import { type LogWriter, WriterDeadError } from "../../kafka/log.ts";
import { eventually } from "../harness/eventually.ts";
import { api } from "../harness/tcp-proxy.ts";
import { partitionsOf } from "./load.ts";
import { contentOf, expectContent, type Fencing, record, type Suite } from "./suite.ts";
import { recordResult } from "./table.ts";

export function fencingRows(suite: () => Suite, fencing: Fencing): void {
  const another = () => suite().connect(fencing);
  const client = `seam, ${fencing}` as const;

  test("a twin fences the writer before it: the older one's next write is refused, and nothing of it comes later", async () => {
    const { log, topic: newTopic } = suite();
    const topic = await newTopic();
    const older = await (await another()).openWriter(`${topic}.twin`, partitionsOf(topic));
    const acknowledged: { partition: number; offset: number }[] = [];
    const refusals: unknown[] = [];
    const busy = partitionsOf(topic).map(async (topicPartition) => {
      for (let n = 0; older.isOpen; n++) {
        try {
          acknowledged.push({
            partition: topicPartition.partition,
            offset: await older.write(topicPartition, [record(`older ${n}`)]),
          });
        } catch (error) {
          refusals.push(error);
        }
      }
    });
    await eventually(() => acknowledged.length > 100, { timeoutMs: 10_000, what: "the older writer at work" });
    const younger = await (await another()).openWriter(`${topic}.twin`, partitionsOf(topic));
    await younger.write({ topic, partition: 0 }, [record("younger")]);
    // A writer that is idle learns of its fate at its next write.
    await Promise.all(busy);
    expect(refusals.length).toBeGreaterThan(0);
    for (const error of refusals) {
      expect(error).toBeInstanceOf(WriterDeadError);
      // A transaction that was aborted for the younger one's sake is in no state to be written to, and its commit meets a coordinator that
      // is aborting it (Kafka 4.3 then says UNKNOWN_SERVER_ERROR, -1, now and then): which of these is told first is open. All are the end.
      const { fenced, message } = error as WriterDeadError;
      if (!fenced) expect(`${fencing}: ${message}`).toMatch(/^transactions: .*(INVALID_TXN_STATE|error code -1)/);
    }
    for (const { partition, offset } of acknowledged)
      expect(offset).toBeLessThan(younger.fenceOffset({ topic, partition }));
    for (const topicPartition of partitionsOf(topic)) {
      const late = (await contentOf(log, topicPartition)).filter(
        ({ offset }) => offset >= younger.fenceOffset(topicPartition),
      );
      expect(late.filter(({ value }) => String(value).startsWith("older"))).toEqual([]);
    }
    await younger.close();
    recordResult("fenced twin", client, true, `${acknowledged.length} writes before, ${refusals.length} refused`);
  }, 60_000);

  test("a write that the network held back until a twin had taken over is refused by the broker", async () => {
    const { log, brokers, topic: newTopic } = suite();
    const topic = await newTopic(1);
    const topicPartition = { topic, partition: 0 };
    const older = await (await another()).openWriter(`${topic}.zombie`, [topicPartition]);
    await older.write(topicPartition, [record("first")]);
    const leader = brokers.all[(await brokers.leaders(topic))[0]! - 1]!;
    const held = leader.proxy.fault({ on: "request", api: api.produce, action: "hold", times: 1 });
    const zombie = older.write(topicPartition, [record("zombie")]).catch((error: unknown) => error);
    await eventually(() => held.count() === 1, { timeoutMs: 5_000, what: "the write on its way" });

    const younger = await (await another()).openWriter(`${topic}.zombie`, [topicPartition]);
    await younger.write(topicPartition, [record("second")]);
    held.release();
    expect(await zombie).toBeInstanceOf(WriterDeadError);
    await younger.write(topicPartition, [record("third")]);
    await expectContent(log, topicPartition, ["first", "second", "third"]);
    recordResult("zombie's held write", client, true, "refused when it arrived");
  }, 60_000);

  for (const [what, number] of Object.entries({
    initProducerId: api.initProducerId,
    addPartitionsToTxn: api.addPartitionsToTxn,
    endTxn: api.endTxn,
  }))
    for (const on of ["request", "response"] as const)
      test(`the fence holds when the ${on} of ${what} is lost while it is put up`, async () => {
        const { brokers, topic: newTopic } = suite();
        const topic = await newTopic(3);
        const partitions = partitionsOf(topic).slice(0, 3);
        const older = await (await another()).openWriter(`${topic}.lost`, partitions);
        for (const topicPartition of partitions) await older.write(topicPartition, [record("older")]);
        const faults = brokers.all.map(({ proxy }) => proxy.fault({ on, api: number, action: "reset", times: 1 }));
        const younger = await (await another()).openWriter(`${topic}.lost`, partitions);
        for (const fault of faults) fault.end();
        expect(faults.reduce((sum, fault) => sum + fault.count(), 0)).toBeGreaterThan(0);
        await refusedAndInOrder(suite(), older, younger, partitions);
        recordResult(`lost ${on} of ${what}`, client, true, "fenced");
      }, 60_000);

  test("of many that open one name at once, each is fenced by the next, and one can write", async () => {
    const { topic: newTopic } = suite();
    const topic = await newTopic(3);
    const partitions = partitionsOf(topic).slice(0, 3);
    const log = await another();
    const opened = await Promise.allSettled(
      Array.from({ length: 6 }, () => log.openWriter(`${topic}.rush`, partitions)),
    );
    const writers = opened.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    for (const each of opened)
      if (each.status === "rejected") expect(each.reason).toMatchObject({ name: "WriterDeadError", fenced: true });
    const outcomes = await Promise.allSettled(writers.map((writer) => writer.write(partitions[0]!, [record("mine")])));
    const able = outcomes.filter(({ status }) => status === "fulfilled").length;
    // An older one may get a write in before the last marker; what counts is the end: one of them is able.
    const again = await Promise.allSettled(writers.map((writer) => writer.write(partitions[0]!, [record("again")])));
    expect(again.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    recordResult(
      "six open one name at once",
      client,
      true,
      `${writers.length} opened, ${able} wrote at first, 1 after`,
    );
  }, 60_000);
}

async function refusedAndInOrder(
  { log }: Suite,
  older: LogWriter,
  younger: LogWriter,
  partitions: readonly { topic: string; partition: number }[],
): Promise<void> {
  for (const topicPartition of partitions) await younger.write(topicPartition, [record("younger")]);
  for (const topicPartition of partitions)
    await expect(older.write(topicPartition, [record("too late")])).rejects.toThrow(WriterDeadError);
  for (const topicPartition of partitions) await expectContent(log, topicPartition, ["older", "younger"]);
}
