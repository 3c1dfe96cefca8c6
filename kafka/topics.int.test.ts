/** Two processes that create one topic, on a real broker. */
import { expect, test } from "bun:test";
import { Barrier, InterceptedCluster } from "../tests/harness/intercepted-cluster.ts";
import { layout, useContract } from "../tests/kafka-conformance/contract.ts";
import { ensureTopics } from "./topics.ts";

const contract = useContract("epochs");
const { signal } = new AbortController();

test("a topic that another process creates between the check and the request is accepted", async () => {
  const cluster = await InterceptedCluster.connect();
  const name = `created-twice.${crypto.randomUUID()}`;
  const barrier = new Barrier();
  cluster.intercept = async (request, send) => {
    if (request === "CreateTopics") await barrier.wait();
    return send();
  };
  const creating = ensureTopics(cluster, [{ name, config: {} }], layout(2), signal);
  await barrier.reached;
  await contract.log.ensureTopics([{ name, config: {} }], layout(2));
  barrier.release();
  await creating;
  expect(await cluster.partitionCount(name)).toBe(2);
  cluster.close();
});
