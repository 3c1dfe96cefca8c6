/** A row about a broker that forgets idle writers, on a broker of its own with very short expiry times. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { WriterDeadError } from "../../kafka/log.ts";
import { expectContent, fencings, record, type Suite, startSuite } from "./suite.ts";
import { recordResult } from "./table.ts";

/** Longer than all expiry times of this broker. */
const IDLE_MS = 4_000;

const expiry = {
  "producer.id.expiration.ms": 1_000,
  "producer.id.expiration.check.interval.ms": 250,
  "transactional.id.expiration.ms": 1_500,
  "transaction.remove.expired.transaction.cleanup.interval.ms": 250,
};

/** Declares the row for each kind of writer. */
export function idleRow(): void {
  let suite: Suite;
  beforeAll(async () => {
    suite = await startSuite(expiry, 1);
  }, 120_000);
  afterAll(async () => {
    await suite?.stop();
  }, 60_000);

  // Concurrently, since the rows only wait for the broker.
  test.concurrent.each([...fencings])(
    "with %s: a writer that the broker has forgotten writes or dies, and loses no record",
    async (fencing) => {
      const log = await suite.connect(fencing);
      const topic = await suite.newTopic(1);
      const topicPartition = { topic, partition: 0 };
      const expected: string[] = [];
      let writer = await log.openWriter(`${topic}.idle`, [topicPartition]);
      let deaths = 0;
      for (const value of ["1", "2", "3"]) {
        try {
          await writer.write(topicPartition, [record(value)]);
        } catch (error) {
          expect(error).toBeInstanceOf(WriterDeadError);
          deaths++;
          writer = await log.openWriter(`${topic}.idle`, [topicPartition]);
          await writer.write(topicPartition, [record(value)]);
        }
        expected.push(value);
        await Bun.sleep(IDLE_MS);
      }
      const newer = await log.openWriter(`${topic}.idle`, [topicPartition]);
      await newer.write(topicPartition, [record("newer")]);
      await expectContent(log, topicPartition, [...expected, "newer"]);
      const details = deaths === 0 ? "writes" : `died ${deaths} times, 0 lost`;
      recordResult("idle past the producer's expiry", `seam, ${fencing}`, true, details);
    },
    60_000,
  );
}
