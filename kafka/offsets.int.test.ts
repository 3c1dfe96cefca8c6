/** Offset ranges of several topics at once, on a real broker. */
import { expect, test } from "bun:test";
import { InterceptedCluster } from "../tests/harness/intercepted-cluster.ts";
import { useContract } from "../tests/kafka-conformance/contract.ts";
import { record } from "../tests/kafka-conformance/suite.ts";
import { partitionKey } from "./log.ts";
import { OffsetRanges } from "./offsets.ts";

const contract = useContract("epochs");

test("calls of one turn share two requests, and a topic that is missing does not delay the others", async () => {
  const topics = [await contract.newTopic(), await contract.newTopic(), await contract.newTopic()];
  const at = topics.map((topic) => ({ topic, partition: 0 }));
  await (await contract.log.openWriter(topics[1]!, [at[1]!])).write(at[1]!, [record("a")]);
  const cluster = await InterceptedCluster.connect();
  for (const topic of topics) await cluster.refresh(topic);
  let requests = 0;
  cluster.intercept = (name, send) => {
    if (name === "ListOffsets") requests++;
    return send();
  };
  const { signal } = new AbortController();
  const ranges = new OffsetRanges(cluster, signal);
  const results = await Promise.all(at.map((each) => ranges.read([each])));
  expect(requests).toBe(2);
  expect(results.map((each, i) => each.get(partitionKey(at[i]!))!.next)).toEqual([0, expect.any(Number), 0]);
  expect(results[1]!.get(partitionKey(at[1]!))!.next).toBeGreaterThan(0);

  const startedMs = performance.now();
  const stopping = new AbortController();
  const some = new OffsetRanges(cluster, stopping.signal);
  const missing = some.read([{ topic: "offsets.none", partition: 0 }]);
  missing.catch(() => {});
  expect((await some.read([at[0]!])).get(partitionKey(at[0]!))).toEqual({ first: 0, next: 0 });
  expect(performance.now() - startedMs).toBeLessThan(5_000);
  stopping.abort(new Error("enough"));
  await expect(missing).rejects.toThrow();
  cluster.close();
}, 30_000);
