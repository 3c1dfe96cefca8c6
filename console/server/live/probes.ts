/** What the sampler asks, with the functions of the verbs: each is one thing, asked at its own pace. */
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
import type { RebuildNow } from "./snapshot.ts";

const OFTEN_MS = 1_000;
const SOMETIMES_MS = 2_000;
const SELDOM_MS = 3_000;
/** Letters are counted anew when their topic has grown, and while some are open all the same: what supersedes one is not in the topic. */
const RECOUNT_MS = 2_000;

/** The parts of a snapshot, none of them waiting for another. */
export function questionsOf(connections: Connections) {
  const letters = new LetterCount(connections);
  return {
    outbox: new CachedValue(OFTEN_MS, () => readOutbox(connections)),
    follows: new CachedValue(OFTEN_MS, async () =>
      readConsumerLags(await connections.log(), new Map<string, Control>()),
    ),
    topics: new CachedValue(OFTEN_MS, () => topicEnds(connections)),
    paused: new CachedValue(SOMETIMES_MS, async () => readControls(await connections.log())),
    services: new CachedValue(SOMETIMES_MS, () => Promise.all(connections.addresses.services.map(readServiceHealth))),
    deadLetters: new CachedValue(OFTEN_MS, () => letters.count()),
    verifications: new CachedValue(SELDOM_MS, () => readLastVerifications(connections.source())),
    rebuilds: new CachedValue(OFTEN_MS, () => rebuildsUnderWay(connections)),
  };
}

export type Questions = ReturnType<typeof questionsOf>;

/** How many records each topic was ever given. */
async function topicEnds(connections: Connections): Promise<Map<string, number>> {
  const log = await connections.log();
  const names = entities.flatMap((entity) =>
    topicsOf(entity).flatMap(({ name }) => (name === versionsTopic(entity).name ? [] : [name])),
  );
  const ends = names.map(async (name) => {
    const bounds = await log.offsets(name);
    return [name, [...bounds.values()].reduce((sum, { next }) => sum + next, 0)] as const;
  });
  return new Map(await Promise.all(ends));
}

/** Counting reads all letters there are: done when there may be others than at the last time, and never most of the time. */
class LetterCount {
  private ends = -1;
  private open = 0;
  private notBefore = 0;
  private countedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly connections: Connections) {}

  async count(): Promise<number> {
    const log = await this.connections.log();
    const bounds = await Promise.all(entities.map((entity) => log.offsets(deadLetterTopic(entity).name)));
    const ends = bounds.flatMap((of) => [...of.values()]).reduce((sum, { first, next }) => sum + first + next, 0);
    const now = performance.now();
    const isDue = ends !== this.ends || (this.open > 0 && now - this.countedAt > RECOUNT_MS);
    if (!isDue || now < this.notBefore) return this.open;
    this.open = await countOpenDeadLetters(this.connections, log);
    this.ends = ends;
    this.countedAt = performance.now();
    this.notBefore = this.countedAt + (this.countedAt - now) * 10;
    return this.open;
  }
}

/** Rebuilds leave what they have done in the replica's database, whoever carries them out. */
async function rebuildsUnderWay(connections: Connections): Promise<RebuildNow[]> {
  const known = replicaNames.filter((name) => connections.addresses.replicas.has(name));
  const found = await Promise.all(known.map((name) => rebuildOf(connections, name).catch(() => [])));
  return found.flat();
}

async function rebuildOf(connections: Connections, replica: string): Promise<RebuildNow[]> {
  const sql = connections.replica(replica);
  const [there] = await sql<{ any: boolean }[]>`select to_regclass('lockstep_next.positions') is not null as any`;
  if (!there?.any) return [];
  const rows = await sql<{ topic: string; next: string }[]>`
    select topic, sum(next_offset) as next from lockstep_next.positions group by topic`;
  const ends = await topicEnds(connections);
  const done = rows.reduce((sum, { next }) => sum + Number(next), 0);
  const total = rows.reduce((sum, { topic }) => sum + (ends.get(topic) ?? 0), 0);
  return [{ replica, done, total: Math.max(done, total) }];
}
