/** Counts the open dead letters in this instance's partitions. The sum over all instances is the total. */
import { isSuperseded } from "../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { deadLetterTopic, eventsTopic } from "../contracts/topics.ts";
import { type Log, partitionKey, type TopicPartition } from "../kafka/log.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { OpenDeadLetter, OpenDeadLetters } from "../pipeline/open-dead-letters.ts";
import { DeadLetterWatch } from "../pipeline/watch-dead-letters.ts";
import type { VersionStore } from "./version-store.ts";

const COUNT_INTERVAL_MS = 5_000;
/** Dead letters whose entity is looked up per count. Looking up 100,000 takes 0.1 s and would delay events. */
const MAX_LOOKUPS = 2_000;

interface DeadLetterCounterDeps {
  readonly log: Log;
  readonly versions: Pick<VersionStore, "newest">;
  /** Returns the input partitions of this instance. */
  readonly assigned: () => readonly TopicPartition[];
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, "deadLetters">;
}

/** Sets the metric `lockstep_dead_letters` every {@link COUNT_INTERVAL_MS} until it is closed. */
export class DeadLetterCounter {
  private readonly watch: DeadLetterWatch;
  private readonly timer: Timer;

  constructor(
    private readonly deps: DeadLetterCounterDeps,
    private readonly entities: readonly EntityDeclaration[],
  ) {
    this.watch = new DeadLetterWatch(
      deps,
      entities.map((entity) => deadLetterTopic(entity).name),
    );
    this.timer = setInterval(
      () => this.report().catch((error) => deps.logger.debug({ err: error }, "dead letters were not counted")),
      COUNT_INTERVAL_MS,
    );
  }

  close(): Promise<void> {
    clearInterval(this.timer);
    return this.watch.close();
  }

  private async report(): Promise<void> {
    const { deadLetters } = this.watch;
    if (!deadLetters) return;
    await this.watch.removeExpired();
    const counts = this.entities.map((entity) => this.countOpen(deadLetters, entity));
    this.deps.metrics.deadLetters.set(counts.reduce((sum, count) => sum + count, 0));
  }

  private countOpen(deadLetters: OpenDeadLetters, entity: EntityDeclaration): number {
    const { versions, assigned } = this.deps;
    const input = eventsTopic(entity).name;
    const topic = deadLetterTopic(entity).name;
    const owned = new Set(assigned().flatMap((at) => (at.topic === input ? [at.partition] : [])));
    const isOwned = ({ at }: OpenDeadLetter) => at.topic === topic && owned.has(at.partition);
    // Replicas close their own dead letters.
    const candidates = deadLetters.nextMatching(MAX_LOOKUPS, (one) => isOwned(one) && one.replica === undefined);
    for (const [partition, group] of Map.groupBy(candidates, ({ at }) => at.partition)) {
      const ids = group.flatMap(({ id }) => id ?? []);
      const newest = versions.newest(partitionKey({ topic: input, partition }), ids);
      for (const one of group) if (one.id && isSuperseded(one, newest.get(one.id))) deadLetters.close(one.name);
    }
    return deadLetters.count(isOwned);
  }
}
