/** Conditions of the log: topics that are missing, and how far each consumer has read. */
import type { Project } from "../../contracts/project.ts";
import { controlTopic, eventsTopic, type TopicDeclaration, topicsOf } from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import type { ConsumerLag } from "../status/consumer-lag.ts";
import { type ActiveCondition, activeCondition } from "./active-condition.ts";

const isOfOperations = ({ writtenBy, readBy }: TopicDeclaration): boolean =>
  writtenBy.includes("operations") || readBy.includes("operations");
/** Operations read the offsets of the replicas' topics. Their user at the brokers may not see the stream's own topic. */
const topicsToCheck = (project: Project): readonly TopicDeclaration[] =>
  [...project.entities.flatMap(topicsOf), controlTopic(project)].filter(
    (topic) => isOfOperations(topic) || topic.readBy.some((role) => role.startsWith("replica ")),
  );

/** Names of the topics that should exist and do not. @throws {Error} when the log is unavailable. */
export async function findMissingTopics(log: Log, project: Project): Promise<readonly string[]> {
  const names = topicsToCheck(project).map(({ name }) => name);
  const found = await log.topicIds(names);
  return names.filter((name) => !found.has(name));
}

/** @param missing names of topics. */
export function conditionsOfTopics(
  missing: readonly string[],
  { entities }: Pick<Project, "entities">,
): readonly ActiveCondition[] {
  const eventTopics = new Set(entities.map((entity) => eventsTopic(entity).name));
  return missing.map((name) => {
    const condition = eventTopics.has(name) ? "events-lost" : "records-lost";
    return activeCondition(condition, name, `the topic ${name} does not exist`);
  });
}

/** Pauses, and positions that the log does not reach. @param lags of all consumers of topics that exist. */
export const conditionsOfConsumers = (lags: readonly ConsumerLag[]): readonly ActiveCondition[] =>
  lags.flatMap(({ name, topic, paused, partitions }) => {
    const found: ActiveCondition[] = [];
    if (paused) {
      const reason = paused.reason ? `: ${paused.reason}` : "";
      found.push(
        activeCondition("paused", name, `paused since ${paused.at}${reason}`, paused.at, `run lockstep resume ${name}`),
      );
    }
    // The committed offset was read before the end, so an intact log is never shorter.
    for (const { partition, position, end } of partitions)
      if (position > end) {
        const condition = name === "stream" ? "events-lost" : "log-incomplete";
        const problem = `${topic}/${partition} ends at offset ${end}, and ${name} has read it up to ${position}`;
        found.push(activeCondition(condition, name, problem));
      }
    return found;
  });
