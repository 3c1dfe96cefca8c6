/**
 * Traces single writes through the log. Before a write, the tracer notes the ends of its topics. Afterwards it reads
 * the new records until it has found those of the write. The replicas' receipts say what they have applied. All times
 * are those of the records and receipts, so a late read changes no figure.
 */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { Receipt } from "../../../contracts/receipt.ts";
import { deadLetterTopic, eventsTopic, replicaTopic } from "../../../contracts/topics.ts";
import type { Log } from "../../../kafka/log.ts";
import type { Logger } from "../../../observability/logger.ts";
import { sleepUnlessAborted } from "../../../platform/async/sleep.ts";
import { appliedHops, confirmsWrite, findHop, type Hop, isComplete, type TracedWrite } from "./hops.ts";
import { RecentReceipts } from "./recent-receipts.ts";
import { type TopicEnds, type TracedPartition, tracedPartitions } from "./traced-partitions.ts";

const POLL_MS = 15;
/** An older write usually waits for a user or a paused replica, and is polled less often. */
const SLOW_POLL_AFTER_MS = 3_000;
const SLOW_POLL_MS = 400;
/** A trace ends after this time. */
const TIMEOUT_MS = 600_000;
/** The oldest trace is dropped when there are more. */
const MAX_TRACES = 20;
/** Records of one partition that one poll reads, at most. */
const MAX_RECORDS = 2_000;

/** Collaborators of {@link WriteTracer}. */
export interface WriteTracerDeps {
  readonly log: () => Promise<Log>;
  readonly logger: Logger;
  /** Called with the new hops of a write. */
  readonly onHops: (write: TracedWrite, hops: readonly Hop[]) => void;
}

interface Trace {
  readonly write: TracedWrite;
  /** The first receipt of each replica that confirms the write. */
  readonly receipts: Map<string, Receipt>;
}

/** Collects the hops of the last 20 writes. */
export class WriteTracer {
  private readonly traces: Trace[] = [];
  private readonly receipts = new RecentReceipts();
  private readonly closing = new AbortController();
  private lastNumber = 0;

  constructor(private readonly deps: WriteTracerDeps) {}

  /** The traced writes, newest last. */
  recent(): readonly TracedWrite[] {
    return this.traces.map(({ write }) => write);
  }

  /** Reads where the topics of an entity end, before a write. @throws {Error} when the log does not answer. */
  async topicEnds(entity: EntityDeclaration): Promise<TopicEnds> {
    const log = await this.deps.log();
    const topics = [
      eventsTopic(entity),
      deadLetterTopic(entity),
      ...entity.replicas.map(({ name }) => replicaTopic(entity, name)),
    ];
    const ends = topics.map(async ({ name }) => {
      const offsets = await log.offsets(name);
      return [name, new Map([...offsets].map(([partition, { next }]) => [partition, next]))] as const;
    });
    return new Map(await Promise.all(ends));
  }

  /** Starts to trace a write whose records come after `ends`. @param hops the hops that are known already. */
  trace(
    entity: EntityDeclaration,
    ends: TopicEnds,
    about: Omit<TracedWrite, "number" | "hops">,
    hops: readonly Hop[],
  ): TracedWrite {
    const write: TracedWrite = { ...about, number: ++this.lastNumber, hops: [] };
    const trace: Trace = { write, receipts: new Map() };
    this.traces.push(trace);
    if (this.traces.length > MAX_TRACES) this.traces.shift();
    this.addHops(trace, hops);
    for (const receipt of this.receipts.all()) this.matchReceipt(trace, receipt);
    void this.pollUntilComplete(trace, entity, ends);
    return write;
  }

  /** Adds the hops of a receipt to the writes that it confirms. */
  onReceipt(receipt: Receipt): void {
    this.receipts.add(receipt);
    for (const trace of this.traces) this.matchReceipt(trace, receipt);
  }

  /** Ends all traces. Does not wait for a poll in flight. */
  close(): void {
    this.closing.abort();
  }

  private matchReceipt(trace: Trace, receipt: Receipt): void {
    if (trace.receipts.has(receipt.replica) || !confirmsWrite(trace.write, receipt)) return;
    trace.receipts.set(receipt.replica, receipt);
    this.addHops(trace, appliedHops(trace.write, receipt));
  }

  private addHops(trace: Trace, hops: readonly Hop[]): void {
    if (hops.length === 0) return;
    trace.write.hops.push(...hops);
    this.deps.onHops(trace.write, hops);
    // The receipt may have arrived before the record was found.
    for (const { kind, replica } of hops) {
      const receipt = kind === "routed" ? trace.receipts.get(replica ?? "") : undefined;
      if (receipt) this.addHops(trace, appliedHops(trace.write, receipt));
    }
  }

  private async pollUntilComplete(trace: Trace, entity: EntityDeclaration, ends: TopicEnds): Promise<void> {
    const { write } = trace;
    const partitions = tracedPartitions(write, entity, ends);
    const replicas = entity.replicas.map(({ name }) => name);
    for (;;) {
      const ageMs = Date.now() - write.startedMs;
      const isOver = this.closing.signal.aborted || !this.traces.includes(trace) || ageMs > TIMEOUT_MS;
      if (isOver || isComplete(write, replicas)) return;
      try {
        // In the order of the hops: the milliseconds of each count from the previous one.
        for (const partition of partitions) {
          await this.poll(trace, partition);
          if (!findHop(write, "published")) break;
        }
      } catch (error) {
        this.deps.logger.debug({ err: error, write: write.number }, "the log cannot be read for a trace; retrying");
      }
      await sleepUnlessAborted(ageMs < SLOW_POLL_AFTER_MS ? POLL_MS : SLOW_POLL_MS, this.closing.signal);
    }
  }

  private async poll(trace: Trace, partition: TracedPartition): Promise<void> {
    if (partition.isDone(trace.write)) return;
    const log = await this.deps.log();
    const { next } = (await log.offsets(partition.topic)).get(partition.partition)!;
    const to = Math.min(next, partition.nextOffset + MAX_RECORDS);
    if (to <= partition.nextOffset) return;
    for await (const records of log.read(partition, partition.nextOffset, to))
      for (const record of records) this.addHops(trace, partition.hopsOf(record));
    partition.nextOffset = to;
  }
}
