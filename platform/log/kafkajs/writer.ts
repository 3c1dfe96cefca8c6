/**
 * The only writer of some partitions. kafkajs' own producer is not used: as published it loses acknowledged records when a
 * leader moves, and doubles or loses others after a lost answer (docs/decisions/001-log-writer.md). The rules here:
 *
 * - one batch of a partition is under way at a time; the next is encoded and numbered only after its answer;
 * - after a failure that may pass, the same bytes go out again, to whoever leads then: the broker knows a batch by its
 *   sequence number and answers a second copy with the first one's offset;
 * - any other outcome ends the writer.
 */
import type { Logger } from "../../../observability/logger.ts";
import {
  type LogWriter,
  type OutgoingRecord,
  RecordRefusedError,
  type TopicPartition,
  WriterDeadError,
} from "../log.ts";
import { BrokerError, refuse, verdictOf } from "./broker-errors.ts";
import type { Cluster } from "./cluster.ts";
import type { Fence } from "./fence.ts";
import { nameOf } from "./offsets.ts";
import { patiently } from "./patience.ts";
import { encodeBatch, recordSize } from "./record-batch/encode.ts";
import type { Sender } from "./sender.ts";

/** Most bytes and records of one batch; a write may be larger and is split. */
const BATCH_BYTES = 500_000;
const BATCH_RECORDS = 2_000;
/** Most writes that may wait for one partition. */
const WAITING_WRITES = 1_000;
/**
 * Age at which a writer ends itself. Brokers forget the epochs of a partition that nobody writes to after a day
 * (`producer.id.expiration.ms`), and with them the fence: a writer that was suspended for so long must not write again.
 */
const LIFETIME_MS = 20 * 60 * 60 * 1000;

/** MESSAGE_TOO_LARGE, RECORD_LIST_TOO_LARGE, INVALID_RECORD: nothing of the batch is stored and its sequence is not used. */
const refusals = new Set([10, 18, 87]);

export interface WriterParts {
  readonly cluster: Cluster;
  readonly sender: Sender;
  readonly logger: Logger;
  /** How long one batch is tried before its outcome counts as unknown. */
  readonly timeoutMs: number;
}

interface Write {
  readonly records: readonly OutgoingRecord[];
  readonly resolve: (offset: number) => void;
  readonly reject: (error: unknown) => void;
}

interface Lane {
  readonly at: TopicPartition;
  readonly waiting: Write[];
  working: boolean;
  sequence: number;
}

export class PartitionWriter implements LogWriter {
  readonly openedAtMs = Date.now();
  readonly #lanes: ReadonlyMap<string, Lane>;
  readonly #ending = new AbortController();
  #dead: WriterDeadError | undefined;

  constructor(
    readonly name: string,
    readonly using: WriterParts,
    readonly fence: Fence,
    partitions: readonly TopicPartition[],
  ) {
    this.#lanes = new Map(partitions.map((at) => [nameOf(at), { at, waiting: [], working: false, sequence: 0 }]));
  }

  get open(): boolean {
    return this.#dead === undefined;
  }

  readonly fencedAt = (at: TopicPartition): number => {
    const offset = this.fence.fencedAt.get(nameOf(at));
    if (offset === undefined) throw new Error(`writer ${this.name} was not opened for ${nameOf(at)}`);
    return offset;
  };

  async write(at: TopicPartition, records: readonly OutgoingRecord[]): Promise<number> {
    if (Date.now() - this.openedAtMs > LIFETIME_MS) this.#die(new Error("older than 20 hours; open a new one"));
    if (this.#dead) throw this.#dead;
    const lane = this.#lanes.get(nameOf(at));
    if (!lane) throw new Error(`writer ${this.name} was not opened for ${nameOf(at)}`);
    if (records.length === 0) throw new Error(`nothing to write to ${nameOf(at)}`);
    if (lane.waiting.length >= WAITING_WRITES)
      throw new Error(`${WAITING_WRITES} writes already wait for ${nameOf(at)}; await some before the next`);
    return new Promise((resolve, reject) => {
      lane.waiting.push({ records, resolve, reject });
      if (!lane.working) void this.#work(lane);
    });
  }

  async close(): Promise<void> {
    this.#die(new Error("it was closed"));
  }

  async #work(lane: Lane): Promise<void> {
    lane.working = true;
    for (let next = lane.waiting.shift(); next; next = lane.waiting.shift()) {
      try {
        let first: number | undefined;
        for (const records of inBatches(next.records)) {
          const offset = await this.#deliver(lane, records);
          first ??= offset;
        }
        next.resolve(first!);
      } catch (error) {
        if (error instanceof RecordRefusedError) next.reject(error);
        else next.reject(this.#die(error));
      }
    }
    lane.working = false;
  }

  async #deliver(lane: Lane, records: readonly OutgoingRecord[]): Promise<number> {
    if (this.#dead) throw this.#dead;
    const { cluster, sender, timeoutMs, logger } = this.using;
    const { topic, partition } = lane.at;
    const batch = encodeBatch(records, { ...this.fence, firstSequence: lane.sequence }, Date.now());
    const patience = {
      what: `writing to ${nameOf(lane.at)}`,
      withinMs: timeoutMs,
      signal: this.#ending.signal,
      between: () => cluster.refresh(),
      onRetry: (error: unknown) => logger.debug({ err: error, writer: this.name, ...lane.at }, "a batch is sent again"),
    };
    const offset = await patiently(patience, async () => {
      const answer = await sender.send(await cluster.leader(lane.at), { topic, partition, batch });
      if (refusals.has(answer.errorCode))
        throw new RecordRefusedError(lane.at, new BrokerError(answer.errorCode, "produce").message);
      refuse(answer.errorCode, `produce to ${nameOf(lane.at)}`);
      return answer.baseOffset;
    });
    if (offset < 0) throw new Error(`${nameOf(lane.at)} took the batch and did not say where`);
    lane.sequence = (lane.sequence + records.length) % 2 ** 31;
    return offset;
  }

  /** Ends the writer, once; what waits is refused, what is under way is not tried again. */
  #die(cause: unknown): WriterDeadError {
    if (this.#dead) return this.#dead;
    this.#dead =
      cause instanceof WriterDeadError ? cause : new WriterDeadError(this.name, verdictOf(cause) === "fenced", cause);
    this.#ending.abort(this.#dead);
    for (const { waiting } of this.#lanes.values()) for (const { reject } of waiting.splice(0)) reject(this.#dead);
    return this.#dead;
  }
}

/** Splits what is too much for one batch. A record that is larger by itself stands alone; the broker decides on it. */
export function* inBatches(records: readonly OutgoingRecord[]): Generator<readonly OutgoingRecord[]> {
  let start = 0;
  let bytes = 0;
  for (let i = 0; i < records.length; i++) {
    const size = recordSize(records[i]!, i - start) + 5;
    if (i > start && (bytes + size > BATCH_BYTES || i - start >= BATCH_RECORDS)) {
      yield records.slice(start, i);
      start = i;
      bytes = 0;
    }
    bytes += size;
  }
  yield records.slice(start);
}
