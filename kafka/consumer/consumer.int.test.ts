/** Races of a group member, step by step, on a real broker. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { createLogger } from "../../observability/logger.ts";
import { Barrier, InterceptedCluster } from "../../tests/harness/intercepted-cluster.ts";
import { eventually } from "../../tests/harness/servers.ts";
import { texts, useContract } from "../../tests/kafka-conformance/contract.ts";
import { record } from "../../tests/kafka-conformance/suite.ts";
import type { ConsumeOptions, Consumer } from "../log.ts";
import { errorCodes } from "../wire/broker-errors.ts";
import { startConsumer } from "./consumer.ts";

const contract = useContract("epochs");
const logger = createLogger("test", "1", "silent");
const WAIT = { timeoutMs: 20_000 };
let cluster: InterceptedCluster;
const consumers: Consumer[] = [];
beforeEach(async () => {
  cluster = await InterceptedCluster.connect();
}, 120_000);
afterEach(async () => {
  for (const consumer of consumers.splice(0)) await consumer.close();
  cluster.close();
});

/** A member whose requests the test intercepts. */
function consume(options: Partial<ConsumeOptions> & Pick<ConsumeOptions, "group" | "topics">): Consumer {
  const consumer = startConsumer({ onBatch: async () => {}, ...options }, { cluster, logger });
  consumers.push(consumer);
  return consumer;
}

test("the response to a heartbeat of an earlier generation does not cost a member its partitions", async () => {
  const topic = await contract.newTopic(2);
  const revoked: number[] = [];
  const member = consume({
    group: topic,
    topics: [topic],
    onRevoked: (partitions) => void revoked.push(...partitions.map(({ partition }) => partition)),
  });
  await eventually(() => member.assigned().length === 2, { ...WAIT, what: "both partitions at the first member" });

  // One heartbeat learns of the rebalance. The next one is held until the member has joined the new generation.
  const late = new Barrier();
  let isRebalancing = false;
  let confirmed = 0;
  let lateCode: number | undefined;
  cluster.intercept = async (name, send) => {
    if (name === "JoinGroup" && isRebalancing) await late.reached;
    if (name !== "Heartbeat") return send();
    const isLate = isRebalancing && lateCode === undefined;
    if (isLate) await late.wait();
    const response = (await send()) as { errorCode: number };
    if (response.errorCode === errorCodes.REBALANCE_IN_PROGRESS) isRebalancing = true;
    if (isLate) lateCode = response.errorCode;
    else if (lateCode !== undefined && response.errorCode === 0) confirmed++;
    return response;
  };
  const other = await contract.consume({ group: topic, topics: [topic] });
  await eventually(() => other.consumer.assigned().length === 1, { ...WAIT, what: "a partition at the second member" });
  late.release();
  await eventually(() => confirmed >= 2, { ...WAIT, what: "heartbeats of the new generation" });
  expect(lateCode, "the code of the late heartbeat").toBe(errorCodes.ILLEGAL_GENERATION);
  expect(revoked, "partitions that the first member gave up").toHaveLength(1);
  expect(member.assigned()).toHaveLength(1);
  await other.consumer.close();
}, 60_000);

test("P1: a leader that is behind once does not send a member back to the start of its partition", async () => {
  const topic = await contract.newTopic();
  const at = { topic, partition: 0 };
  const writer = await contract.log.openWriter(topic, [at]);
  const first = await writer.write(at, ["a", "b"].map(record));
  const received: string[] = [];
  const gaps: unknown[] = [];
  const member = consume({
    group: topic,
    topics: [topic],
    onBatch: async ({ records }) => void received.push(...texts(records)),
    onGap: (...gap) => void gaps.push(gap),
  });
  await eventually(() => received.length === 2, { ...WAIT, what: "the first records" });

  // To a member that continues beyond the end, the leader looks like one that is behind.
  const answered = Promise.withResolvers<void>();
  const caughtUp = new Barrier();
  let answers = 0;
  cluster.intercept = async (name, send) => {
    if (name !== "ListOffsets") return send();
    // Each round asks for the first and for the next offset.
    if (answers >= 2) await caughtUp.wait();
    const response = await send();
    if (++answers === 2) answered.resolve();
    return response;
  };
  member.seek(at, first + 4);
  await answered.promise;
  await writer.write(at, ["c", "d", "e"].map(record));
  caughtUp.release();
  await eventually(() => received.length > 2, { ...WAIT, what: "the record after the sought offset" });
  expect(received).toEqual(["a", "b", "e"]);
  expect(gaps).toEqual([]);
}, 60_000);

/** Counts the fetches of one member, and the partitions of each. */
function countFetches(): { readonly partitions: number[] } {
  const partitions: number[] = [];
  cluster.intercept = async (name, send) => {
    const response = await send();
    if (name === "Fetch") partitions.push((response as { partitions: readonly unknown[] }).partitions.length);
    return response;
  };
  return { partitions };
}

test("an idle member asks for all its partitions with one long poll", async () => {
  const topic = await contract.newTopic(4);
  const fetches = countFetches();
  const member = consume({ group: topic, topics: [topic] });
  await eventually(() => member.assigned().length === 4, { ...WAIT, what: "all partitions" });
  await Bun.sleep(100);
  fetches.partitions.splice(0);
  await Bun.sleep(2_000);
  expect(fetches.partitions.length, "polls in 2 seconds").toBeLessThanOrEqual(5);
  expect(new Set(fetches.partitions)).toEqual(new Set([4]));
  expect(member.fetchAgeMs()).toBeLessThan(1_000);
});

test("the partitions of one response are delivered without waiting in between", async () => {
  const topic = await contract.newTopic(4);
  const partitions = [0, 1, 2, 3].map((partition) => ({ topic, partition }));
  const writer = await contract.log.openWriter(topic, partitions);
  await Promise.all(partitions.map((at) => writer.write(at, [record("a")])));
  const order: string[] = [];
  consume({
    group: topic,
    topics: [topic],
    onBatch: async ({ records }) => {
      order.push(...texts(records));
      queueMicrotask(() => order.push("microtask"));
    },
  });
  await eventually(() => order.length === 8, { ...WAIT, what: "four batches" });
  expect(order).toEqual(["a", "a", "a", "a", "microtask", "microtask", "microtask", "microtask"]);
});

test("a partition that gets room is fetched at once, and then shares the long poll again", async () => {
  const topic = await contract.newTopic(2);
  const [slow, other] = [0, 1].map((partition) => ({ topic, partition }));
  const writer = await contract.log.openWriter(topic, [slow!, other!]);
  const blocked = new Barrier();
  const received: string[] = [];
  const fetches = countFetches();
  const member = consume({
    group: topic,
    topics: [topic],
    maxBytesPerPartition: 500,
    onBatch: async ({ partition, records }) => {
      received.push(...texts(records));
      if (partition === 0) await blocked.wait();
    },
  });
  await eventually(() => member.assigned().length === 2, { ...WAIT, what: "both partitions" });
  // The first one is being processed, the second one fills the queue, and the third one has no room.
  for (const value of ["1", "2", "3"]) {
    await writer.write(slow!, [record(value.padEnd(600))]);
    await Bun.sleep(50);
  }
  await writer.write(other!, [record("other")]);
  await eventually(() => received.includes("other"), { ...WAIT, timeoutMs: 400, what: "the other partition's record" });
  await Bun.sleep(50);
  const releasedMs = performance.now();
  blocked.release();
  await eventually(() => received.length === 4, { ...WAIT, what: "the records that had no room" });
  // The long poll of the other partition is in flight for half a second.
  expect(performance.now() - releasedMs).toBeLessThan(300);
  await Bun.sleep(100);
  fetches.partitions.splice(0);
  await Bun.sleep(2_000);
  expect(fetches.partitions.filter((count) => count === 2).length).toBeGreaterThan(0);
  expect(fetches.partitions.length, "polls in 2 seconds").toBeLessThanOrEqual(6);
});
