/** The queries behind a snapshot. Each runs at its own interval and does not wait for another. */
import type { Control } from "../../../contracts/control.ts";
import type { Project } from "../../../contracts/project.ts";
import { topicsOf, versionsTopic } from "../../../contracts/topics.ts";
import { readOutbox } from "../../../operations/conditions/from-source.ts";
import type { Connections } from "../../../operations/connect.ts";
import { readControls } from "../../../operations/pause/control.ts";
import { readConsumerLags } from "../../../operations/status/consumer-lag.ts";
import { readServiceHealth } from "../../../operations/status/service-health.ts";
import { readLastVerifications } from "../../../operations/verify/results.ts";
import { CachedValue } from "./cached-value.ts";
import type { RebuildProgress } from "./snapshot.ts";

/** Creates the probes. None runs until its `refreshIfDue` is called. */
export function createProbes(connections: Connections, project: Project) {
  return {
    outbox: new CachedValue(1_000, () => readOutbox(connections.source())),
    consumers: new CachedValue(1_000, async () =>
      readConsumerLags(await connections.log(), project, new Map<string, Control>()),
    ),
    topics: new CachedValue(1_000, () => topicEnds(connections, project)),
    paused: new CachedValue(2_000, async () => readControls(await connections.log(), project)),
    services: new CachedValue(2_000, () => Promise.all(connections.addresses.services.map(readServiceHealth))),
    verifications: new CachedValue(3_000, () => readLastVerifications(connections.source())),
    rebuilds: new CachedValue(1_000, () => rebuildsInProgress(connections, project)),
  };
}

/** The result of {@link createProbes}. */
export type Probes = ReturnType<typeof createProbes>;

/** End offset of each topic, summed over its partitions: all records ever written to it. */
async function topicEnds(
  connections: Connections,
  { entities }: Pick<Project, "entities">,
): Promise<Map<string, number>> {
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

/** A rebuild keeps its progress in the replica's database, so a rebuild of any process is found. */
async function rebuildsInProgress(connections: Connections, project: Project): Promise<RebuildProgress[]> {
  const configured = project.replicaNames.filter((name) => connections.addresses.replicas.has(name));
  const found = await Promise.all(configured.map((name) => rebuildOf(connections, project, name).catch(() => [])));
  return found.flat();
}

async function rebuildOf(connections: Connections, project: Project, replica: string): Promise<RebuildProgress[]> {
  const sql = connections.replica(replica);
  const [row] = await sql<{ exists: boolean }[]>`
    select to_regclass('lockstep_next.positions') is not null as exists`;
  if (!row?.exists) return [];
  const positions = await sql<{ topic: string; next: string }[]>`
    select topic, sum(next_offset) as next from lockstep_next.positions group by topic`;
  const ends = await topicEnds(connections, project);
  const done = positions.reduce((sum, { next }) => sum + Number(next), 0);
  const total = positions.reduce((sum, { topic }) => sum + (ends.get(topic) ?? 0), 0);
  return [{ replica, done, total: Math.max(done, total) }];
}
