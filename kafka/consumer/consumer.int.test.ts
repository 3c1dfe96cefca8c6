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
