/** Checks of the brokers: topics, their settings, and rights as far as they show. */
import type { Project } from "../../contracts/project.ts";
import {
  controlTopic,
  partitionCount,
  receiptsTopic,
  type TopicDeclaration,
  topicsOf,
} from "../../contracts/topics.ts";
import type { Log } from "../../kafka/log.ts";
import { checkClaim, OtherSourceError, type Source } from "../../pipeline/source-claim.ts";
import type { Findings } from "./finding.ts";

type LogReader = Pick<Log, "topicIds" | "partitionCount" | "topicConfig">;

/** @param partitions the setting LOCKSTEP_PARTITIONS. @throws {Error} when the brokers are unavailable. */
export async function checkLog(
  log: LogReader,
  project: Project,
  partitions: number,
  findings: Findings,
): Promise<void> {
  const topics = [
    ...project.allEntities.flatMap((entity) =>
      topicsOf(entity).map((topic) => ({ topic, partitions: partitionCount(entity, partitions) })),
    ),
    ...[receiptsTopic(project), controlTopic(project)].map((topic) => ({ topic, partitions: 1 })),
  ];
  const ids = await log.topicIds(topics.map(({ topic }) => topic.name));
  const missing = topics.filter(({ topic }) => !ids.has(topic.name));
  if (missing.length === topics.length)
    return findings.ok(`no topic exists yet: the services create all ${topics.length}`);
  if (missing.length > 0)
    findings.warn(
      `${missing.length} of ${topics.length} topics do not exist: ${missing
        .slice(0, 5)
        .map(({ topic }) => topic.name)
        .join(", ")}`,
      "the services create them when they start; if they held records before, run lockstep resync",
    );
  const before = findings.list.length;
  for (const { topic, partitions: expected } of topics.filter((one) => ids.has(one.topic.name)))
    await checkTopic(log, topic, expected, findings);
  if (findings.list.length === before) findings.ok(`${topics.length - missing.length} topics have their settings`);
}

/** Finds topics that hold the events of another source. @throws {Error} when the brokers are unavailable. */
export async function checkOwner(
  log: Pick<Log, "topicIds" | "offsets" | "read">,
  project: Project,
  source: Source,
  findings: Findings,
): Promise<void> {
  const { name } = controlTopic(project);
  if (!(await log.topicIds([name])).has(name)) return;
  try {
    await checkClaim(log, project, source);
  } catch (error) {
    if (!(error instanceof OtherSourceError)) throw error;
    findings.fail(error.message, "a namespace of its own, or lockstep take-over");
  }
}

async function checkTopic(
  log: LogReader,
  topic: TopicDeclaration,
  expected: number,
  findings: Findings,
): Promise<void> {
  const count = await log.partitionCount(topic.name);
  if (count !== expected)
    findings.fail(
      `topic ${topic.name} has ${count} partitions, and LOCKSTEP_PARTITIONS says ${expected}`,
      `set LOCKSTEP_PARTITIONS=${count}: the partitions of a topic with records must not change`,
    );
  let config: ReadonlyMap<string, string>;
  try {
    config = await log.topicConfig(topic.name);
  } catch (error) {
    return findings.warn(
      `the settings of topic ${topic.name} cannot be read: ${(error as Error).message}`,
      "lockstep broker-rights prints the rights that each service needs",
    );
  }
  const other = Object.entries(topic.config).filter(([name, value]) => config.has(name) && config.get(name) !== value);
  if (other.length > 0)
    findings.warn(
      `topic ${topic.name} has ${other.map(([name]) => `${name}=${config.get(name)}`).join(", ")}`,
      `kafka-configs --alter --entity-type topics --entity-name ${topic.name} --add-config ${other.map(([name, value]) => `${name}=${value}`).join(",")}`,
    );
}
