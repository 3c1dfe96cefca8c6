/**
 * The only writer of some partitions, by transactions: for brokers that check the epoch of a batch inside a transaction only.
 * Redpanda is one: it takes a plain batch of an older epoch, and its own assertion ends it when a plain batch has a newer epoch
 * than the partition's last transaction (docs/decisions/001-log-writer.md).
 *
 * Writes that wait when a transaction begins are carried together, one batch of each partition: begin, append, commit, and
 * only then are they safe. Slower than epochs by these round trips. A transaction whose end is in doubt ends the writer, and
 * its successor's InitProducerId settles it; no transaction is ever begun after such a doubt, so that a late commit cannot
 * end another one (Jepsen, Bufstream 0.1.0).
 */
import { type LogWriter, type OutgoingRecord, partitionKey, RecordRejectedError, type TopicPartition } from "../log.ts";
import { throwOnAnyError } from "../offsets.ts";
import { BrokerError, throwOnError } from "../wire/broker-errors.ts";
import { byTopic } from "../wire/protocol.ts";
import { retryRequest } from "../wire/retry-request.ts";
import { type Fence, fencedAt } from "./fence.ts";
import { PartitionWriter, type PendingWrite, type WriterDeps } from "./partition-writer.ts";
import { splitBatches } from "./split-batches.ts";
import { WriterState } from "./writer-state.ts";

/** A write on its way: what of it is still to be stored, and where it began. */
interface Carried {
  readonly write: PendingWrite;
  readonly left: (readonly OutgoingRecord[])[];
  first: number | undefined;
}

export class TransactionalWriter implements LogWriter {
  readonly fenceOffset: (topicPartition: TopicPartition) => number;
  private readonly life: WriterState;
  private readonly lanes: ReadonlyMap<string, PartitionWriter>;
  /** The write of each partition that is next, or partly done. */
  private readonly carried = new Map<PartitionWriter, Carried>();
  private working = false;

  constructor(
    readonly name: string,
    readonly deps: WriterDeps,
    readonly fence: Fence,
    partitions: readonly TopicPartition[],
  ) {
    this.life = new WriterState(name);
    this.fenceOffset = fencedAt(name, fence);
    this.lanes = new Map(
      partitions.map((topicPartition) => [
        partitionKey(topicPartition),
        new PartitionWriter(topicPartition, deps, fence, this.life, name),
      ]),
    );
  }

  get isOpen(): boolean {
    return this.life.isOpen;
  }

  get openedAtMs(): number {
    return this.life.openedAtMs;
  }

  async write(topicPartition: TopicPartition, records: readonly OutgoingRecord[]): Promise<number> {
    this.life.throwIfDead();
    const lane = this.lanes.get(partitionKey(topicPartition));
    if (!lane) throw new Error(`writer ${this.name} was not opened for ${partitionKey(topicPartition)}`);
    const written = lane.enqueue(records);
    if (!this.working) void this.work();
    return written;
  }

  async close(): Promise<void> {
    this.end(new Error("it was closed"));
  }

  private async work(): Promise<void> {
    this.working = true;
    // Writes that begin in the same turn of the event loop travel together.
    await Promise.resolve();
    for (let lanes = this.next(); lanes.length > 0; lanes = this.next()) {
      try {
        await this.transact(lanes);
      } catch (error) {
        this.end(error);
      }
    }
    this.working = false;
  }

  /** Lanes that have something to carry. */
  private next(): PartitionWriter[] {
    for (const lane of this.lanes.values()) {
      if (this.carried.has(lane)) continue;
      const write = lane.queue.shift();
      if (write) this.carried.set(lane, { write, left: [...splitBatches(write.records)], first: undefined });
    }
    return [...this.carried.keys()];
  }

  private async transact(lanes: readonly PartitionWriter[]): Promise<void> {
    this.life.throwIfDead();
    await this.begin(lanes);
    const stored = await Promise.all(lanes.map((lane) => this.append(lane)));
    await this.commit();
    for (const settle of stored) settle();
  }

  /** Stores the next batch of a lane's write. @returns what to tell the caller once the transaction is committed. */
  private async append(lane: PartitionWriter): Promise<() => void> {
    const carried = this.carried.get(lane)!;
    const { write, left } = carried;
    try {
      const offset = await lane.append(left.shift()!);
      carried.first ??= offset;
    } catch (error) {
      if (!(error instanceof RecordRejectedError)) throw error;
      this.carried.delete(lane);
      return () => write.reject(error);
    }
    return () => {
      if (left.length > 0) return;
      this.carried.delete(lane);
      write.resolve(carried.first!);
    };
  }

  private producer() {
    const { producerId, producerEpoch } = this.fence;
    return { transactionalId: this.name, producerId: String(producerId), producerEpoch };
  }

  /** Refused while the transaction before is still being sealed, for some milliseconds. */
  private async begin(lanes: readonly PartitionWriter[]): Promise<void> {
    const topics = byTopic(
      lanes.map(({ topicPartition }) => topicPartition),
      ({ partition }) => partition,
    );
    const { cluster, timeoutMs } = this.deps;
    const what = `a transaction of ${this.name}`;
    const options = { what, timeoutMs: timeoutMs, signal: this.life.signal, firstDelayMs: 1, maxDelayMs: 100 };
    await retryRequest(options, () =>
      cluster.withCoordinator(1, this.name, async (wire) => {
        const { errors } = await wire.request("AddPartitionsToTxn", { ...this.producer(), topics });
        throwOnAnyError(errors, what);
      }),
    );
  }

  /** Sent again only after an answer that it was not carried out: a lost answer leaves it in doubt. */
  private async commit(): Promise<void> {
    const { cluster, timeoutMs } = this.deps;
    const what = `the commit of ${this.name}`;
    const options = { what, timeoutMs: timeoutMs, signal: this.life.signal, firstDelayMs: 2, maxDelayMs: 100 };
    await retryRequest(options, () =>
      cluster
        .withCoordinator(1, this.name, async (wire) => {
          const { errorCode } = await wire.request("EndTxn", { ...this.producer(), transactionResult: true });
          throwOnError(errorCode, what);
        })
        .catch((error: unknown) => {
          if (error instanceof BrokerError) throw error;
          throw new Error(`${what} is in doubt`, { cause: error });
        }),
    );
  }

  private end(cause: unknown): void {
    const dead = this.life.end(cause);
    for (const { write } of this.carried.values()) write.reject(dead);
    this.carried.clear();
    for (const { queue } of this.lanes.values()) for (const { reject } of queue.splice(0)) reject(dead);
  }
}
