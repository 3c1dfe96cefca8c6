/** Openings of one name that overlap, step by step, on a real broker. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { createLogger } from "../../observability/logger.ts";
import { Barrier, InterceptedCluster } from "../../tests/harness/intercepted-cluster.ts";
import { useContract } from "../../tests/kafka-conformance/contract.ts";
import { record } from "../../tests/kafka-conformance/suite.ts";
import { partitionKey, WriterDeadError } from "../log.ts";
import { EpochWriter } from "./epoch-writer.ts";
import { fence } from "./fence.ts";
import { Sender } from "./sender.ts";

const contract = useContract("epochs");
const { signal } = new AbortController();
let cluster: InterceptedCluster;
beforeAll(async () => {
  cluster = await InterceptedCluster.connect();
}, 120_000);
afterAll(() => cluster.close());

/** Starts an opening that stops before its first request of this name. */
async function openUntil(request: string, name: string, topic: string) {
  const barrier = new Barrier();
  cluster.intercept = async (sent, send) => {
    if (sent === request) await barrier.wait();
    return send();
  };
  const opening = fence(cluster, name, [{ topic, partition: 0 }], signal);
  await barrier.reached;
  return { opening, release: () => barrier.release() };
}

test("P9: what a twin writes between two steps of an opening is before the fence of the opening", async () => {
  const topic = await contract.newTopic();
  const at = { topic, partition: 0 };
  const { opening, release } = await openUntil("InitProducerId", topic, topic);
  const twin = await contract.log.openWriter(topic, [at]);
  const written = await twin.write(at, [record("twin")]);
  release();
  const fenceOffset = (await opening).offsets.get(partitionKey(at));
  expect(fenceOffset, "the fence of the later opening, after the record of the twin").toBeGreaterThan(written);
  await expect(twin.write(at, [record("late")])).rejects.toThrow(WriterDeadError);
  expect((await contract.read(topic)).map(({ offset }) => offset)).toEqual([written]);
});

for (const request of ["AddPartitionsToTxn", "EndTxn"])
  test(`P9: an opening that a twin overtakes before ${request} is fenced, and the twin can write`, async () => {
    const topic = await contract.newTopic();
    const at = { topic, partition: 0 };
    const { opening, release } = await openUntil(request, topic, topic);
    const twin = await contract.log.openWriter(topic, [at]);
    release();
    await expect(opening).rejects.toMatchObject({
      name: "WriterDeadError",
      fenced: true,
      message: `writer ${topic} was fenced by a newer writer of the same name`,
    });
    const written = await twin.write(at, [record("twin")]);
    expect(written).toBeGreaterThanOrEqual(twin.fenceOffset(at));
  });

test("P9: of six openings that all have an epoch before any of them has a fence, one is left and can write", async () => {
  const topic = await contract.newTopic();
  const at = { topic, partition: 0 };
  const barrier = new Barrier();
  const waiting = Promise.withResolvers<void>();
  let count = 0;
  cluster.intercept = async (sent, send) => {
    if (sent === "AddPartitionsToTxn") {
      if (++count === 6) waiting.resolve();
      await barrier.wait();
    }
    return send();
  };
  const openings = Array.from({ length: 6 }, () => fence(cluster, topic, [at], signal));
  const outcomes = Promise.allSettled(openings);
  await waiting.promise;
  barrier.release();
  const settled = await outcomes;
  const opened = settled.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
  const failed = settled.flatMap((one) => (one.status === "rejected" ? [one.reason] : []));
  expect(opened, "openings that were not fenced").toHaveLength(1);
  for (const error of failed) expect(error).toMatchObject({ name: "WriterDeadError", fenced: true });
  const deps = { cluster, sender: new Sender(cluster), logger: createLogger("test", "1", "silent"), timeoutMs: 30_000 };
  const writer = new EpochWriter(topic, deps, opened[0]!, [at]);
  const written = await writer.write(at, [record("last")]);
  expect(written).toBe(writer.fenceOffset(at));
  deps.sender.close();
});
