/** The topics of Lockstep, as faults choose among them. */
import { allEntities } from "../../contracts/entities/index.ts";
import { controlTopic, receiptsTopic, topicsOf } from "../../contracts/topics.ts";

/** Names of all topics, in the order of their declaration. */
export const topicNames: readonly string[] = [...allEntities.flatMap(topicsOf), receiptsTopic, controlTopic].map(
  ({ name }) => name,
);
