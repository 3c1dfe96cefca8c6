/** The queries behind a snapshot. Each runs at its own interval and does not wait for another. */
import type { Control } from "../../../contracts/control.ts";
import { entities, replicaNames } from "../../../contracts/entities/index.ts";
import { deadLetterTopic, topicsOf, versionsTopic } from "../../../contracts/topics.ts";
import type { Connections } from "../../../operations/connect.ts";
import { readControls } from "../../../operations/pause/control.ts";
import { readConsumerLags } from "../../../operations/status/consumer-lag.ts";
import { readServiceHealth } from "../../../operations/status/service-health.ts";
import { countOpenDeadLetters, readOutbox } from "../../../operations/status/status.ts";
import { readLastVerifications } from "../../../operations/verify/results.ts";
import { CachedValue } from "./cached-value.ts";
import type { RebuildProgress } from "./snapshot.ts";

/**
 * Interval between two counts of the dead letters while some are open. A newer version supersedes a dead letter
 * without a record in its topic, so the count can change while the topic does not.
 */
const RECOUNT_MS = 2_000;
/** After a count, the counter pauses for this multiple of the time that the count took. */
const RECOUNT_PAUSE_FACTOR = 10;

/** Creates the probes. None runs until its `refreshIfDue` is called. */
export function createProbes(connections: Connections) {
  const deadLetters = new DeadLetterCounter(connections);
  return {
    outbox: new CachedValue(1_000, () => readOutbox(connections)),
    consumers: new CachedValue(1_000, async () =>
      readConsumerLags(await connections.log(), new Map<string, Control>()),
    ),
    topics: new CachedValue(1_000, () => topicEnds(connections)),
    paused: new CachedValue(2_000, async () => readControls(await connections.log())),
    services: new CachedValue(2_000, () => Promise.all(connections.addresses.services.map(readServiceHealth))),
    deadLetters: new CachedValue(1_000, () => deadLetters.count()),
    verifications: new CachedValue(3_000, () => readLastVerifications(connections.source())),
    rebuilds: new CachedValue(1_000, () => rebuildsInProgress(connections)),
  };
}

/** The result of {@link createProbes}. */
export type Probes = ReturnType<typeof createProbes>;

/** End offset of each topic, summed over its partitions: all records ever written to it. */
async function topicEnds(connections: Connections): Promise<Map<string, number>> {
  const log = await connections.log();
  const names = entities.flatMap((entity) =>
    topicsOf(entity).flatMap(({ name }) => (name === versionsTopic(entity).name ? [] : [name])),
  );
  const ends = names.map(async (name) => {
    const offsets = await log.offsets(name);
    return [name, [...offsets.values()].reduce((sum, { next }) => sum + next, 0)] as const;
  });
  return new Map(await Promise.all(ends));
}

/** Counts the open dead letters. A count reads all of them, so it runs only when the number may have changed. */
class DeadLetterCounter {
  /** Sum of all offsets of the topics at the last count: it changes with each new and each expired record. */
  private offsetSum = -1;
  private open = 0;
  private notBefore = 0;
  private countedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly connections: Connections) {}

  async count(): Promise<number> {
    const log = await this.connections.log();
    const topics = await Promise.all(entities.map((entity) => log.offsets(deadLetterTopic(entity).name)));
    const partitions = topics.flatMap((offsets) => [...offsets.values()]);
    const offsetSum = partitions.reduce((sum, { first, next }) => sum + first + next, 0);
    const now = performance.now();
    const isDue = offsetSum !== this.offsetSum || (this.open > 0 && now - this.countedAt > RECOUNT_MS);
    if (!isDue || now < this.notBefore) return this.open;
    this.open = await countOpenDeadLetters(this.connections, log);
    this.offsetSum = offsetSum;
    this.countedAt = performance.now();
    this.notBefore = this.countedAt + (this.countedAt - now) * RECOUNT_PAUSE_FACTOR;
    return this.open;
  }
}

/** A rebuild keeps its progress in the replica's database, so a rebuild of any process is found. */
async function rebuildsInProgress(connections: Connections): Promise<RebuildProgress[]> {
  const configured = replicaNames.filter((name) => connections.addresses.replicas.has(name));
  const found = await Promise.all(configured.map((name) => rebuildOf(connections, name).catch(() => [])));
  return found.flat();
}

async function rebuildOf(connections: Connections, replica: string): Promise<RebuildProgress[]> {
  const sql = connections.replica(replica);
  const [row] = await sql<{ exists: boolean }[]>`
    select to_regclass('lockstep_next.positions') is not null as exists`;
  if (!row?.exists) return [];
  const positions = await sql<{ topic: string; next: string }[]>`
    select topic, sum(next_offset) as next from lockstep_next.positions group by topic`;
  const ends = await topicEnds(connections);
  const done = positions.reduce((sum, { next }) => sum + Number(next), 0);
  const total = positions.reduce((sum, { topic }) => sum + (ends.get(topic) ?? 0), 0);
  return [{ replica, done, total: Math.max(done, total) }];
}
