/** One instance of the stream on a simulated log. It owns partition 0 of the product events. */
import { eventsTopic } from "../../contracts/topics.ts";
import type { StoredRecord } from "../../kafka/log.ts";
import { createLogger } from "../../observability/logger.ts";
import { createMetrics } from "../../observability/metrics.ts";
import { AssignedPartitions } from "../../stream/assigned-partitions.ts";
import type { OwnedPartition } from "../../stream/owned-partition.ts";
import { VersionStore } from "../../stream/version-store.ts";
import { product } from "../project/index.ts";
import type { SimulatedLog } from "./simulated-log.ts";

const input = { topic: eventsTopic(product).name, partition: 0 };
const logger = createLogger("test", "1", "silent");

/** Disposing it is like `kill -9`: it flushes and saves nothing. */
export class StreamInstance implements AsyncDisposable {
  private readonly versions: VersionStore;
  private readonly partitions: AssignedPartitions;
  /** Where the stream wants to continue the input, if not behind the batch that it processes. */
  private soughtOffset: number | undefined;

  /** @param file the local version store. */
  constructor(
    private readonly log: SimulatedLog,
    file: string,
  ) {
    this.versions = new VersionStore(file);
    const metrics = createMetrics("stream", "1");
    this.partitions = new AssignedPartitions(
      { log, versions: this.versions, logger, metrics },
      { namespace: "", allEntities: [product] },
    );
    this.partitions.attach({
      seek: (_, offset) => {
        this.soughtOffset = offset;
      },
    });
  }

  /** Delivers everything from an offset on. */
  deliver(from = 0): Promise<void> {
    return this.deliverRecords(this.log.records(input).slice(from));
  }

  /** Delivers records that were fetched before. Like a consumer, it continues at the offset that the stream seeks. */
  async deliverRecords(records: readonly StoredRecord[]): Promise<void> {
    this.soughtOffset = undefined;
    const isCurrent = () => this.soughtOffset === undefined;
    const highWatermark = this.log.records(input).length;
    await this.partitions.process({ ...input, records, highWatermark, isCurrent });
    if (this.soughtOffset !== undefined) await this.deliver(this.soughtOffset);
  }

  /** Saves what the local file lacks. */
  save(): void {
    this.versions.save();
  }

  /** Reports an interruption of the input, as the fetch loop does. Resolves when the partition is taken over again. */
  onInterrupted(): Promise<void> {
    return this.partitions.onInterrupted(input);
  }

  /** Writes all changes to the versions topic, and saves them in the local file. */
  async flush(): Promise<void> {
    await this.partitions.flush();
    this.save();
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
