/**
 * The row that takes a minute: the epochs of a producer id end at 32,767, and a new id follows.
 */
import { expect, test } from "bun:test";
import { type LogWriter, WriterDeadError } from "../../kafka/log.ts";
import { throwOnError } from "../../kafka/wire/broker-errors.ts";
import { Cluster } from "../../kafka/wire/cluster.ts";
import { ConnectionOptions } from "../../kafka/wire/connection.ts";
import { coordinatorType } from "../../kafka/wire/protocol.ts";
import { retryRequest } from "../../kafka/wire/retry-request.ts";
import { createLogger } from "../../observability/logger.ts";
import { expectContent, fencings, type GetSuite, record } from "./suite.ts";
import { recordResult } from "./table.ts";

/** The row runs only in the long form of the suite. */
const LONG = process.env.CONFORMANCE_LONG !== undefined;
/** The first opening starts this close before the client's limit of 32,000. */
const START_EPOCH = 31_990;

/** Declares the row for each kind of writer. */
export function epochRow(getSuite: GetSuite): void {
  test.skipIf(!LONG).each([...fencings])(
    "with %s: the fence holds when the epochs of a producer id end and a new id follows",
    async (fencing) => {
      const { newTopic, brokers } = getSuite();
      const log = await getSuite().connect(fencing);
      const topic = await newTopic(1);
      const topicPartition = { topic, partition: 0 };
      const name = `${topic}.epochs`;
      const firstId = await raiseEpoch(brokers.addresses, name, START_EPOCH);
      const writers: LogWriter[] = [];
      const written: string[] = [];
      for (let n = 0; n < 12; n++) {
        const writer = await log.openWriter(name, [topicPartition]);
        const older = writers.at(-1);
        if (older) await expect(older.write(topicPartition, [record("fenced")])).rejects.toThrow(WriterDeadError);
        await writer.write(topicPartition, [record(`${n}`)]);
        written.push(`${n}`);
        writers.push(writer);
      }
      await expectContent(getSuite().log, topicPartition, written);
      const lastId = await raiseEpoch(brokers.addresses, name, 0);
      expect(lastId).not.toBe(firstId);
      recordResult("end of the epochs", `seam, ${fencing}`, true, "fenced over the change of the id");
    },
    300_000,
  );
}

/** Raises the epoch of a name without opening a writer, until it is at least `minEpoch`. @returns the producer id. */
async function raiseEpoch(brokers: readonly string[], name: string, minEpoch: number): Promise<string> {
  const cluster = new Cluster(
    brokers,
    new ConnectionOptions({ clientId: "epochs", logger: createLogger("epochs", "1", "silent") }),
  );
  const what = `raising the epoch of ${name}`;
  for (;;) {
    const { producerEpoch, producerId } = await retryRequest({ what, timeoutMs: 20_000 }, () =>
      cluster.withCoordinator(coordinatorType.transaction, name, async (coordinator) => {
        const response = await coordinator.request("InitProducerId", {
          transactionalId: name,
          transactionTimeout: 10_000,
        });
        throwOnError(response.errorCode, what);
        return response;
      }),
    );
    if (producerEpoch < minEpoch) continue;
    cluster.close();
    return producerId;
  }
}
