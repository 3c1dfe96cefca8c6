/** Watches the partitions of this instance: their progress, and whether their outputs have lost records. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { eventsTopic } from "../contracts/topics.ts";
import { type Consumer, type Log, partitionKey } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { Check } from "../platform/service.ts";
import type { AssignedPartitions } from "./assigned-partitions.ts";
import type { Losses } from "./checkpoint.ts";
import { describeLosses, hasLost } from "./lost-records.ts";
import type { OwnedPartition } from "./owned-partition.ts";
import { Progress } from "./progress.ts";

const PROGRESS_INTERVAL_MS = 1_000;
const OUTPUTS_INTERVAL_MS = 4_000;

interface PartitionWatchDeps {
  readonly log: Pick<Log, "offsets">;
  readonly partitions: AssignedPartitions;
  readonly logger: Logger;
}

/** Runs from {@link PartitionWatch.start} until it is disposed. */
export class PartitionWatch implements Disposable {
  private readonly progress = new Progress();
  private consumer: Pick<Consumer, "positions" | "paused"> | undefined;
  private deps: PartitionWatchDeps | undefined;
  private timers: readonly Timer[] = [];
  private losses: Losses[] = [];
  private clearedUntilMs = 0;
  private isComparing = false;

  constructor(private readonly entities: readonly EntityDeclaration[]) {}

  /** They exist before the consumer, so that health is available while the stream starts. */
  readonly checks: readonly Check[] = [
    { condition: "partition-stalled", blocksReadiness: false, problem: () => this.progress.stalled() },
    { condition: "lag-growing", blocksReadiness: false, problem: () => this.progress.growing() },
    { condition: "records-lost", blocksReadiness: false, problem: () => this.lost((topic) => !this.isInput(topic)) },
    { condition: "events-lost", blocksReadiness: false, problem: () => this.lost((topic) => this.isInput(topic)) },
  ];

  start(deps: PartitionWatchDeps, consumer: Pick<Consumer, "positions" | "paused">): void {
    this.deps = deps;
    this.consumer = consumer;
    this.timers = [
      setInterval(() => void this.observe(), PROGRESS_INTERVAL_MS),
      setInterval(() => void this.compareOutputs(), OUTPUTS_INTERVAL_MS),
    ];
  }

  /** An operator has sent again what was lost until then, in milliseconds since 1970. */
  clearLosses(untilMs: number): void {
    this.clearedUntilMs = Math.max(this.clearedUntilMs, untilMs);
  }

  [Symbol.dispose](): void {
    for (const timer of this.timers) clearInterval(timer);
  }

  private async observe(): Promise<void> {
    const { partitions } = this.deps!;
    const { positions, paused } = this.consumer!;
    const owned = await partitions.owned();
    this.losses = [...owned.values()].map(({ lost }) => lost);
    // A batch may be large: within it, the owner advances chunk by chunk.
    const current = positions().map((position) => ({
      ...position,
      processed: Math.max(position.processed, Math.min(position.end, owned.get(partitionKey(position))?.next ?? 0)),
    }));
    this.progress.observe(current, paused, performance.now());
  }

  private async compareOutputs(): Promise<void> {
    if (this.isComparing) return;
    this.isComparing = true;
    try {
      await this.interruptLost([...(await this.deps!.partitions.owned()).values()]);
    } catch (error) {
      this.deps!.logger.debug({ err: error }, "the outputs' offsets could not be read; retrying");
    }
    this.isComparing = false;
  }

  /** Takes the partitions over again of which an output has lost records, or whose writer is dead. */
  private async interruptLost(owned: readonly OwnedPartition[]): Promise<void> {
    const { log, partitions } = this.deps!;
    const found = new Set<OwnedPartition>();
    const interrupt = (one: OwnedPartition) => {
      if (!found.has(one)) void partitions.onInterrupted(one.input);
      found.add(one);
    };
    for (const one of owned) if (!one.isOpen) interrupt(one);
    // Before the brokers are asked: an output may grow meanwhile, but never shrink.
    const known = owned.map((one) => [one, one.outputs] as const);
    const topics = new Set(known.flatMap(([, outputs]) => [...outputs.keys()]));
    const compare = async (topic: string) => {
      const ranges = await log.offsets(topic);
      for (const [one, outputs] of known) {
        const range = ranges.get(one.partition);
        const ends = outputs.get(topic);
        if (range && ends && hasLost(range, ends)) interrupt(one);
      }
    };
    // All topics in one turn: they share two requests.
    await Promise.all([...topics].map(compare));
  }

  private isInput(topic: string): boolean {
    return this.entities.some((entity) => eventsTopic(entity).name === topic);
  }

  private lost(isRelevant: (topic: string) => boolean): string | undefined {
    const all = this.losses.flatMap((losses) => Object.entries(losses));
    return describeLosses(all.filter(([topic, { atMs }]) => isRelevant(topic) && atMs > this.clearedUntilMs));
  }
}
