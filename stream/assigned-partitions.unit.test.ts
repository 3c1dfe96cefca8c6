import { expect, test } from "bun:test";
import { product } from "../contracts/entities/product.ts";
import { eventsTopic } from "../contracts/topics.ts";
import { createLogger } from "../observability/logger.ts";
import { createMetrics } from "../observability/metrics.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { AssignedPartitions } from "./assigned-partitions.ts";
import { VersionStore } from "./version-store.ts";

const input = { topic: eventsTopic(product).name, partition: 0 };

class UnavailableLog extends SimulatedLog {
  override async partitionCount(): Promise<number> {
    throw new Error("no broker responds");
  }
}

test("a partition that is assigned while no broker responds is not owned, and ends nothing else", async () => {
  using versions = new VersionStore(":memory:");
  const deps = { log: new UnavailableLog(1), versions, logger: createLogger("test", "1", "silent") };
  const partitions = new AssignedPartitions({ ...deps, metrics: createMetrics("stream", "1") }, [product]);
  partitions.onAssigned([input]);
  expect(await partitions.owned()).toEqual(new Map());
  partitions.onAssigned([input]);
  partitions.onRevoked([input]);
  partitions.onAssigned([input]);
  await partitions.close();
});
