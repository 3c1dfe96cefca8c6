/** The topics of Lockstep, as faults choose among them. */
import type { Project } from "../../contracts/project.ts";
import { controlTopic, receiptsTopic, topicsOf } from "../../contracts/topics.ts";

/** Names of all topics, in the order of their declaration. */
export const topicNames = (project: Project): readonly string[] =>
  [...project.allEntities.flatMap(topicsOf), receiptsTopic(project), controlTopic(project)].map(({ name }) => name);
