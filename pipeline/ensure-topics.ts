/** The topics that relay, stream and replicas need. Whichever service starts first creates them. */
import type { Project } from "../contracts/project.ts";
import { partitionCount, topicsOf } from "../contracts/topics.ts";
import type { Log } from "../kafka/log.ts";
import { replicationOptionsOf, type Settings } from "../platform/settings/settings.ts";

/**
 * Creates the missing topics of all entities, internal ones included.
 *
 * @throws {Error} when a topic exists with another number of partitions, or the brokers cannot be reached.
 */
export async function ensureEntityTopics(
  log: Pick<Log, "ensureTopics">,
  settings: Settings,
  { allEntities }: Pick<Project, "allEntities">,
): Promise<void> {
  const copies = replicationOptionsOf(settings);
  const byPartitions = Map.groupBy(allEntities, (entity) => partitionCount(entity, settings.LOCKSTEP_PARTITIONS));
  for (const [partitions, entities] of byPartitions)
    await log.ensureTopics(entities.flatMap(topicsOf), { ...copies, partitions });
}
