/** Creates the topics that are missing, as the services would at their next start. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { controlTopic, partitionCount, receiptsTopic, replicaTopic, topicsOf } from "../../contracts/topics.ts";
import type { Log, TopicLayout } from "../../kafka/log.ts";
import { replicationOptionsOf } from "../../platform/settings/settings.ts";
import type { VerbContext } from "../verb.ts";

/**
 * Creates the missing topics.
 *
 * @returns their names.
 * @throws {Error} when the log is unavailable or rejects a topic, or a replica's database is unavailable.
 */
export async function createMissingTopics(
  context: Pick<VerbContext, "connections" | "project" | "settings">,
): Promise<readonly string[]> {
  const { connections, project } = context;
  const log = await connections.log();
  const shared = [controlTopic(project), receiptsTopic(project)];
  const names = [...project.allEntities.flatMap(topicsOf), ...shared].map(({ name }) => name);
  const existing = await log.topicIds(names);
  const isMissing = ({ name }: { readonly name: string }) => !existing.has(name);
  const copies = copiesOf(context);
  for (const entity of project.allEntities) {
    const missing = topicsOf(entity).filter(isMissing);
    if (missing.length === 0) continue;
    const partitions = await partitionsOf(context, log, entity, existing);
    await log.ensureTopics(missing, { ...copies, partitions });
  }
  const missing = shared.filter(isMissing);
  if (missing.length > 0) await log.ensureTopics(missing, { ...copies, partitions: 1 });
  return names.filter((name) => isMissing({ name }));
}

/** The stack does not pass its settings to a verb. With three brokers it makes three copies (stack/process-specs.ts). */
function copiesOf({
  connections,
  settings,
}: Pick<VerbContext, "connections" | "settings">): Omit<TopicLayout, "partitions"> {
  if (settings.LOCKSTEP_SOURCE_DATABASE_URL !== undefined) return replicationOptionsOf(settings);
  return connections.addresses.brokers.length < 3
    ? { replicationFactor: 1, minInSyncReplicas: 1 }
    : { replicationFactor: 3, minInSyncReplicas: 2 };
}

/**
 * The number of partitions that the entity's topics have, or had: the services reject another one. A topic that exists
 * has it, and so have the positions in a replica's database.
 */
async function partitionsOf(
  { connections, settings }: Pick<VerbContext, "connections" | "settings">,
  log: Log,
  entity: EntityDeclaration,
  existing: ReadonlyMap<string, string>,
): Promise<number> {
  const sibling = topicsOf(entity).find(({ name }) => existing.has(name));
  if (sibling) return log.partitionCount(sibling.name);
  for (const { name } of entity.replicas.filter((replica) => connections.addresses.replicas.has(replica.name))) {
    const [row] = await connections.replica(name)<{ partitions: number | null }[]>`
      select max("partition") + 1 as partitions from lockstep.positions
      where topic = ${replicaTopic(entity, name).name}`;
    if (row?.partitions) return row.partitions;
  }
  return partitionCount(entity, settings.LOCKSTEP_PARTITIONS);
}
