/** Lost responses of a transaction's requests, on a real broker. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createLogger } from "../../observability/logger.ts";
import { InterceptedCluster, lostResponse } from "../../tests/harness/intercepted-cluster.ts";
import { texts, useContract } from "../../tests/kafka-conformance/contract.ts";
import { record } from "../../tests/kafka-conformance/suite.ts";
import { fence } from "./fence.ts";
import { Sender } from "./sender.ts";
import { TransactionalWriter } from "./transactional-writer.ts";

const contract = useContract("transactions");
const { signal } = new AbortController();
let cluster: InterceptedCluster;
beforeAll(async () => {
  cluster = await InterceptedCluster.connect();
}, 120_000);
afterAll(() => cluster.close());

test("P9: a commit whose response is lost is not sent again, and ends the writer", async () => {
  const topic = await contract.newTopic();
  const at = { topic, partition: 0 };
  const sender = new Sender(cluster);
  const deps = { cluster, sender, logger: createLogger("test", "1", "silent"), timeoutMs: 30_000 };
  const writer = new TransactionalWriter(topic, deps, await fence(cluster, topic, [at], signal), [at]);
  await writer.write(at, [record("before")]);
  let commits = 0;
  cluster.intercept = async (name, send) => {
    const response = await send();
    if (name !== "EndTxn") return response;
    commits++;
    throw lostResponse();
  };
  const [unknown, queued] = await Promise.allSettled([
    writer.write(at, [record("unknown")]),
    writer.write(at, [record("queued")]),
  ]);
  const message =
    `writer ${topic}: the outcome of a write is unknown ` +
    `(committing a transaction of writer ${topic}: the response was lost); open a new writer and read back`;
  expect(unknown).toMatchObject({ reason: { name: "WriterDeadError", fenced: false, message } });
  expect(queued).toMatchObject({ reason: { name: "WriterDeadError", fenced: false, message } });
  expect(commits).toBe(1);
  expect(writer.isOpen).toBe(false);
  expect(texts(await contract.readWhenComplete(topic, 2))).toEqual(["before", "unknown"]);
  sender.close();
});
