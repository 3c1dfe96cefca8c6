/** The row that takes a minute: epochs end after 32,767 openings of one name, and the producer id changes. */
import { expect, test } from "bun:test";
import { logLevel } from "kafkajs";
import { createLogger } from "kafkajs/src/loggers/index.js";
import { type LogWriter, WriterDeadError } from "../../kafka/log.ts";
import { throwOnError } from "../../kafka/wire/broker-errors.ts";
import { Cluster } from "../../kafka/wire/cluster.ts";
import { retryRequest } from "../../kafka/wire/retry-request.ts";
import { expectContent, fencings, record, type Suite } from "./suite.ts";
import { recordResult } from "./table.ts";

/** Only in the long form. */
const LONG = process.env.CONFORMANCE_LONG !== undefined;

export function epochRows(suite: () => Suite): void {
  test.skipIf(!LONG).each([...fencings])(
    "by %s: the fence holds where the epochs of a producer id end and another id begins",
    async (fencing) => {
      const { topic: newTopic, brokers } = suite();
      const log = await suite().connect(fencing);
      const topic = await newTopic(1);
      const topicPartition = { topic, partition: 0 };
      const name = `${topic}.epochs`;
      const first = await raiseEpoch(brokers.addresses, name, 31_990);
      const writers: LogWriter[] = [];
      const written: string[] = [];
      for (let n = 0; n < 12; n++) {
        const writer = await log.openWriter(name, [topicPartition]);
        const older = writers.at(-1);
        if (older) await expect(older.write(topicPartition, [record("too late")])).rejects.toThrow(WriterDeadError);
        await writer.write(topicPartition, [record(`${n}`)]);
        written.push(`${n}`);
        writers.push(writer);
      }
      await expectContent(suite().log, topicPartition, written);
      const last = await raiseEpoch(brokers.addresses, name, 0);
      expect(last).not.toBe(first);
      recordResult("end of the epochs", `seam, ${fencing}`, true, "fenced over the change of the id");
    },
    300_000,
  );
}

/** Opens nothing, but counts the epochs of a name up. @returns the producer id. */
async function raiseEpoch(brokers: readonly string[], name: string, to: number): Promise<string> {
  const logger = createLogger({ level: logLevel.NOTHING, logCreator: () => () => {} });
  const cluster = new Cluster(brokers, { clientId: "epochs", logger, security: {}, timedOutAtMs: new Map() });
  for (;;) {
    const { producerEpoch, producerId } = await retryRequest({ what: "raising the epoch", timeoutMs: 20_000 }, () =>
      cluster.withCoordinator(1, name, async (wire) => {
        const answer = await wire.request("InitProducerId", { transactionalId: name, transactionTimeout: 10_000 });
        throwOnError(answer.errorCode, "raising the epoch");
        return answer;
      }),
    );
    if (producerEpoch < to) continue;
    cluster.close();
    return producerId;
  }
}
