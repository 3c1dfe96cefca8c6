/** A stream process: the product's partitions, takeovers, steps and watch, as stream/main.ts wires them. */
import type { Database } from "bun:sqlite";
import { eventsTopic, streamGroup } from "../../contracts/topics.ts";
import { AssignedPartitions } from "../../stream/assigned-partitions.ts";
import { PartitionWatch } from "../../stream/partition-watch.ts";
import { VersionStore } from "../../stream/version-store.ts";
import { product } from "../project/index.ts";
import type { Servers } from "./servers.ts";
import { silentLogger as logger, silentMetrics as metrics } from "./silent.ts";
import { SimulatedLog } from "./simulated-log.ts";
import type { SimulatedProcess } from "./world.ts";

/** The longest one is longer than a run: then only the store's own timer saves. */
const SAVE_INTERVALS_MS = [60, 600, 60_000];

/**
 * Starts a stream.
 *
 * @param file its local file, which outlives the process.
 * @param instance id of a static member of the group; undefined: a dynamic one.
 */
export async function runStream(
  { world, broker, groups }: Servers,
  process: SimulatedProcess,
  file: Database,
  instance: string | undefined,
): Promise<void> {
  const log = new SimulatedLog({ world, broker, groups, process });
  const versions = new VersionStore(file);
  // A full buffer is saved at any time. What is not saved is lost when the process crashes.
  setInterval(() => versions.save(), world.random.pick(SAVE_INTERVALS_MS));
  const partitions = new AssignedPartitions(
    { log, versions, logger, metrics },
    { namespace: "", allEntities: [product] },
  );
  const consumer = await log.consume({
    group: streamGroup(product),
    topics: [eventsTopic(product).name],
    onBatch: (batch) => partitions.process(batch),
    onAssigned: (assigned) => partitions.onAssigned(assigned),
    onRevoked: (revoked) => partitions.onRevoked(revoked),
    onInterrupted: (at) => void partitions.onInterrupted(at),
    ...(instance === undefined ? {} : { groupInstanceId: instance }),
  });
  partitions.attach(consumer);
  new PartitionWatch([product]).start({ log, partitions, logger }, consumer);
  await consumer.ended;
}
