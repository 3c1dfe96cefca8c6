/** Commits beside a batch that ends, on a real broker. */
import { expect, test } from "bun:test";
import { InterceptedCluster } from "../../tests/harness/intercepted-cluster.ts";
import { useContract } from "../../tests/kafka-conformance/contract.ts";
import { record } from "../../tests/kafka-conformance/suite.ts";
import { partitionKey } from "../log.ts";
import { commitOffsets, startOffsets } from "./commits.ts";
import { PartitionQueue } from "./partition-queue.ts";

const contract = useContract("epochs");
const { signal } = new AbortController();

test("a batch that ends during a commit is committed by the next one", async () => {
  const topic = await contract.newTopic(2);
  const partitions = [0, 1].map((partition) => ({ topic, partition }));
  const writer = await contract.log.openWriter(topic, partitions);
  await writer.write(partitions[0]!, ["a", "b", "c"].map(record));
  const cluster = await InterceptedCluster.connect();
  const [queue] = partitions.map((each) => new PartitionQueue(each, 0, undefined, 1_000_000));
  queue!.processedOffset = 2;
  let commits = 0;
  cluster.intercept = async (name, send) => {
    const response = await send();
    if (name === "OffsetCommit" && ++commits === 1) queue!.processedOffset = 3;
    return response;
  };
  const commit = () => commitOffsets(cluster, topic, { memberId: "", generationId: -1 }, [queue!]);
  const committed = async () => {
    const starts = await startOffsets(cluster, topic, partitions, signal);
    return partitions.map((each) => starts.get(partitionKey(each))!.committed);
  };
  expect(await committed()).toEqual([undefined, undefined]);
  await commit();
  expect(await committed()).toEqual([2, undefined]);
  await commit();
  expect(await committed()).toEqual([3, undefined]);
  await commit();
  expect(commits).toBe(2);
  cluster.close();
});
