/** One instance of the stream on a simulated log. It owns partition 0 of the product events. */
import { product } from "../../contracts/entities/product.ts";
import { eventsTopic } from "../../contracts/topics.ts";
import { createLogger } from "../../observability/logger.ts";
import { createMetrics } from "../../observability/metrics.ts";
import { AssignedPartitions } from "../../stream/assigned-partitions.ts";
import type { OwnedPartition } from "../../stream/owned-partition.ts";
import { VersionStore } from "../../stream/version-store.ts";
import type { SimulatedLog } from "./simulated-log.ts";

const input = { topic: eventsTopic(product).name, partition: 0 };
const logger = createLogger("test", "1", "silent");

/** Disposing it is like `kill -9`: it flushes nothing. */
export class StreamInstance implements AsyncDisposable {
  private readonly versions: VersionStore;
  private readonly partitions: AssignedPartitions;

  /** @param file the local version store. */
  constructor(
    private readonly log: SimulatedLog,
    file: string,
  ) {
    this.versions = new VersionStore(file);
    const metrics = createMetrics("stream", "1");
    this.partitions = new AssignedPartitions({ log, versions: this.versions, logger, metrics }, [product]);
  }

  /** Delivers everything from an offset on. */
  async deliver(from = 0): Promise<void> {
    const all = this.log.records(input);
    await this.partitions.process({ ...input, records: all.slice(from), highWatermark: all.length });
  }

  /** Writes all changes to the versions topic. */
  flush(): Promise<void> {
    return this.partitions.flush();
  }

  /** Takes the partition over and returns it. */
  async takeOver(): Promise<OwnedPartition> {
    await this.partitions.process({ ...input, records: [], highWatermark: 0 });
    await this.partitions.onInterrupted(input);
    return (await this.partitions.owned()).get(`${input.topic}/${input.partition}`)!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.partitions.onRevoked([input]);
    this.versions[Symbol.dispose]();
  }
}
