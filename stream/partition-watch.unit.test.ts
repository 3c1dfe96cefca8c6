import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { encodeEvent } from "../contracts/event.ts";
import { eventsTopic, replicaTopic } from "../contracts/topics.ts";
import { createLogger } from "../observability/logger.ts";
import { createMetrics } from "../observability/metrics.ts";
import { productDocument, upsertEvent } from "../tests/harness/product-events.ts";
import { SimulatedLog, type WriteOutcome } from "../tests/harness/simulated-log.ts";
import { product } from "../tests/project/index.ts";
import { AssignedPartitions } from "./assigned-partitions.ts";
import { PartitionWatch } from "./partition-watch.ts";
import { VersionStore } from "./version-store.ts";

const input = { topic: eventsTopic(product).name, partition: 0 };
const catalog = { topic: replicaTopic(product, "catalog").name, partition: 0 };
const consumer = { positions: () => [], paused: false };

beforeEach(() => void jest.useFakeTimers());
afterEach(() => void jest.useRealTimers());

/** An instance with ten processed events, and its watch. */
async function watched(nextOutcome?: () => WriteOutcome) {
  const log = new SimulatedLog(1, nextOutcome);
  const events = Array.from({ length: 10 }, () => encodeEvent(upsertEvent(productDocument())));
  log.append(input, events);
  const versions = new VersionStore(":memory:");
  const deps = { log, logger: createLogger("test", "1", "silent") };
  const partitions = new AssignedPartitions(
    { ...deps, versions, metrics: createMetrics("stream", "1") },
    { namespace: "", allEntities: [product] },
  );
  await partitions.process({ ...input, records: log.records(input), highWatermark: 10 });
  const watch = new PartitionWatch([product]);
  watch.start({ ...deps, partitions }, consumer);
  return {
    log,
    partitions,
    watch,
    problem: (condition: string) => watch.checks.find((check) => check.condition === condition)!.problem(),
    async [Symbol.asyncDispose]() {
      watch[Symbol.dispose]();
      await partitions.close();
      versions[Symbol.dispose]();
    },
  };
}

/** Lets the timers of this time fire, and the work that they start end. */
async function pass(ms: number): Promise<void> {
  jest.advanceTimersByTime(ms);
  for (let turns = 0; turns < 200; turns++) await Promise.resolve();
}

test("P14: a loss is found without another event, and reported until an operator has sent its rows again", async () => {
  await using stream = await watched();
  await pass(4_000);
  expect(stream.problem("records-lost")).toBeUndefined();
  stream.log.records(catalog).length = 6;
  await pass(4_000);
  await pass(1_000);
  expect(stream.problem("records-lost")).toMatch(
    /^products\.to\.catalog lost 4 offsets in 1 partitions, first seen at \d{4}-/,
  );
  expect(stream.problem("events-lost")).toBeUndefined();
  stream.watch.clearLosses(Date.now() - 60_000);
  expect(stream.problem("records-lost")).toContain("lost 4 offsets");
  stream.watch.clearLosses(Date.now() + 1);
  expect(stream.problem("records-lost")).toBeUndefined();
  stream.watch.clearLosses(0);
  expect(stream.problem("records-lost")).toBeUndefined();
});

test("P1: a partition whose writer is dead is taken over again without another event", async () => {
  let outcome: WriteOutcome = "stored";
  await using stream = await watched(() => outcome);
  const owned = async () => (await stream.partitions.owned()).get("products.events/0");
  outcome = "lost";
  await stream.partitions.flush();
  expect((await owned())?.isOpen).toBe(false);
  outcome = "stored";
  await pass(4_000);
  expect((await owned())?.isOpen).toBe(true);
});
