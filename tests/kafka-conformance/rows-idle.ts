/** Rows about brokers that have forgotten a writer, on a broker of their own with very short memories. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { WriterDeadError } from "../../kafka/log.ts";
import { expectContent, fencings, record, type Suite, startSuite } from "./suite.ts";
import { recordResult } from "./table.ts";

export function idleRows(): void {
  let suite: Suite;
  beforeAll(async () => {
    suite = await startSuite(
      {
        "producer.id.expiration.ms": 1_000,
        "producer.id.expiration.check.interval.ms": 250,
        "transactional.id.expiration.ms": 1_500,
        "transaction.remove.expired.transaction.cleanup.interval.ms": 250,
      },
      1,
    );
  }, 120_000);
  afterAll(async () => {
    await suite?.stop();
  }, 60_000);

  test.each([...fencings])(
    "by %s: a writer that was idle until the brokers forgot it writes on or dies, and loses nothing",
    async (fencing) => {
      const { topic: newTopic } = suite;
      const log = await suite.connect(fencing);
      const topic = await newTopic(1);
      const topicPartition = { topic, partition: 0 };
      const expected: string[] = [];
      let writer = await log.openWriter(`${topic}.idle`, [topicPartition]);
      let died = 0;
      for (const value of ["1", "2", "3"]) {
        try {
          await writer.write(topicPartition, [record(value)]);
        } catch (error) {
          expect(error).toBeInstanceOf(WriterDeadError);
          died++;
          writer = await log.openWriter(`${topic}.idle`, [topicPartition]);
          await writer.write(topicPartition, [record(value)]);
        }
        expected.push(value);
        await Bun.sleep(4_000);
      }
      const younger = await log.openWriter(`${topic}.idle`, [topicPartition]);
      await younger.write(topicPartition, [record("younger")]);
      await expectContent(log, topicPartition, [...expected, "younger"]);
      recordResult(
        "idle past the producer's expiry",
        `seam, ${fencing}`,
        true,
        died === 0 ? "writes on" : `died ${died} times, 0 lost`,
      );
    },
    60_000,
  );
}
