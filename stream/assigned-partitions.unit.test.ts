import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { encodeEvent } from "../contracts/event.ts";
import { eventsTopic, versionsTopic } from "../contracts/topics.ts";
import { createLogger } from "../observability/logger.ts";
import { createMetrics } from "../observability/metrics.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { productDocument, upsertEvent } from "../tests/harness/product-events.ts";
import { SimulatedLog } from "../tests/harness/simulated-log.ts";
import { product } from "../tests/project/index.ts";
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
  const partitions = new AssignedPartitions(
    { ...deps, metrics: createMetrics("stream", "1") },
    { namespace: "", allEntities: [product] },
  );
  partitions.onAssigned([input]);
  expect(await partitions.owned()).toEqual(new Map());
  partitions.onAssigned([input]);
  partitions.onRevoked([input]);
  partitions.onAssigned([input]);
  await partitions.close();
});

test("a partition that is assigned again while its first creation fails stays assigned", async () => {
  const first = Promise.withResolvers<number>();
  let calls = 0;
  class SlowLog extends SimulatedLog {
    override partitionCount(): Promise<number> {
      return calls++ === 0 ? first.promise : super.partitionCount();
    }
  }
  using versions = new VersionStore(":memory:");
  const deps = { log: new SlowLog(1), versions, logger: createLogger("test", "1", "silent") };
  const partitions = new AssignedPartitions(
    { ...deps, metrics: createMetrics("stream", "1") },
    { namespace: "", allEntities: [product] },
  );
  partitions.onAssigned([input]);
  partitions.onRevoked([input]);
  partitions.onAssigned([input]);
  first.reject(new Error("no broker responds"));
  await partitions.process({ ...input, records: [], highWatermark: 0 });
  await partitions.onInterrupted(input);
  expect([...(await partitions.owned()).keys()]).toEqual(["products.events/0"]);
  expect(calls).toBe(2);
  await partitions.close();
});

test("a topic of no declared entity is refused", async () => {
  using versions = new VersionStore(":memory:");
  const deps = { log: new SimulatedLog(1), versions, logger: createLogger("test", "1", "silent") };
  const partitions = new AssignedPartitions(
    { ...deps, metrics: createMetrics("stream", "1") },
    { namespace: "", allEntities: [product] },
  );
  const batch = { topic: "invoices.events", partition: 0, records: [], highWatermark: 0 };
  await expect(partitions.process(batch)).rejects.toThrow("topic invoices.events belongs to no declared entity");
});

test("an input partition that does not exist is refused", async () => {
  using versions = new VersionStore(":memory:");
  const deps = { log: new SimulatedLog(1), versions, logger: createLogger("test", "1", "silent") };
  const partitions = new AssignedPartitions(
    { ...deps, metrics: createMetrics("stream", "1") },
    { namespace: "", allEntities: [product] },
  );
  const record = {
    ...input,
    partition: 1,
    offset: 0,
    timestampMs: 0,
    key: null,
    value: null,
    headers: {},
    rawHeaders: {},
  };
  await expect(partitions.process({ ...input, partition: 1, records: [record], highWatermark: 1 })).rejects.toThrow(
    "input partition products.events/1 does not exist; create it, then restart the stream",
  );
});

/** The group has passed all input. */
class CommittedLog extends SimulatedLog {
  override async committedOffsets(): Promise<ReadonlyMap<number, number>> {
    return new Map([[0, this.records(input).length]]);
  }
}

test("P10: versions that the last owner had not flushed are in the versions topic without another event", async () => {
  const log = new CommittedLog(1);
  const id = "aaaaaaaa-0000-4000-8000-000000000000";
  log.append(input, [encodeEvent(upsertEvent(productDocument({ id })))]);
  const owner = () => {
    const versions = new VersionStore(":memory:");
    const deps = { log, versions, logger: createLogger("test", "1", "silent") };
    return new AssignedPartitions(
      { ...deps, metrics: createMetrics("stream", "1") },
      { namespace: "", allEntities: [product] },
    );
  };
  const last = owner();
  await last.process({ ...input, records: log.records(input), highWatermark: 1 });
  last.onRevoked([input]);
  const next = owner();
  next.onAssigned([input]);
  const stored = () => log.records({ topic: versionsTopic(product).name, partition: 0 }).map(({ key }) => String(key));
  await eventually(() => stored().length > 0, { timeoutMs: 9_000, what: "the versions topic has a record" });
  expect(stored()).toEqual([id]);
  next.onRevoked([input]);
});

test("P9: a partition that was revoked while its takeover waited is not taken from its next owner", async () => {
  const first = Promise.withResolvers<never>();
  let openings = 0;
  class SlowLog extends SimulatedLog {
    override openWriter(...args: Parameters<SimulatedLog["openWriter"]>) {
      return openings++ === 0 ? first.promise : super.openWriter(...args);
    }
  }
  const log = new SlowLog(1);
  log.append(input, [encodeEvent(upsertEvent(productDocument()))]);
  using versions = new VersionStore(":memory:");
  const deps = { log, versions, logger: createLogger("test", "1", "silent") };
  const partitions = new AssignedPartitions(
    { ...deps, metrics: createMetrics("stream", "1") },
    { namespace: "", allEntities: [product] },
  );
  const batch = partitions.process({ ...input, records: log.records(input), highWatermark: 1 });
  partitions.onAssigned([input]);
  await eventually(() => openings === 1, { timeoutMs: 10_000, what: "the takeover of the batch" });
  partitions.onRevoked([input]);
  first.reject(new Error("no broker responds"));
  await expect(batch).rejects.toThrow("no broker responds");
  await Bun.sleep(0);
  expect(openings).toBe(1);
});

test("closing saves and flushes everything", async () => {
  const log = new SimulatedLog(1);
  log.append(input, [encodeEvent(upsertEvent(productDocument()))]);
  const file = new Database(":memory:");
  const deps = { log, versions: new VersionStore(file), logger: createLogger("test", "1", "silent") };
  const partitions = new AssignedPartitions(
    { ...deps, metrics: createMetrics("stream", "1") },
    { namespace: "", allEntities: [product] },
  );
  await partitions.process({ ...input, records: log.records(input), highWatermark: 1 });
  await partitions.close();
  using versions = new VersionStore(file);
  expect(versions.checkpoint("products.events/0")).toMatchObject({ next: 1, ends: { "products.versions": 1 } });
  expect(versions.unflushed("products.events/0").changes.size).toBe(0);
});
