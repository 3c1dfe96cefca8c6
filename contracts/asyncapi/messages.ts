/** The messages of each topic, with key, headers and payload. Pure. */
import { z } from "zod";
import {
  CLAIM_KEY_PREFIX,
  CLEARED_LOSSES_KEY,
  claimSchema,
  clearedLossesSchema,
  controlSchema,
  replicaKey,
  STREAM_KEY,
} from "../control.ts";
import type { EntityDeclaration, ReplicaDeclaration } from "../entity/declaration.ts";
import { EXAMPLE_TIME, exampleDocument, exampleForReplica, exampleId } from "../entity/example.ts";
import { capitalize, type JsonSchema } from "../entity/json-schema.ts";
import { documentSchema } from "../entity/schemas.ts";
import { deletedSchema, type EntityEvent, encodeEvent } from "../event.ts";
import { knownVersionSchema } from "../known-version.ts";
import type { Project } from "../project.ts";
import { receiptSchema } from "../receipt.ts";
import { encodeRouted, routedHeaders as headersOf } from "../routed-event.ts";
import {
  controlTopic,
  deadLetterTopic,
  eventsTopic,
  receiptsTopic,
  replicaTopic,
  type TopicDeclaration,
  versionsTopic,
} from "../topics.ts";
import { deadLetterHeaders, eventHeaders, hasUuid, markHeaders, noHeaders, routedHeaders } from "./headers.ts";

/** One kind of record in a topic. */
export interface Message {
  readonly summary: string;
  /** Undefined: any key, or no key. */
  readonly key?: JsonSchema;
  readonly headers: z.ZodType;
  readonly payload: z.ZodType;
  readonly contentType: "application/json" | "application/octet-stream";
  readonly examples?: readonly { readonly headers: Readonly<Record<string, string>>; readonly payload: unknown }[];
}

/** A topic and its messages. */
export interface Channel {
  readonly topic: TopicDeclaration;
  /** By name. A name is unique over all channels. */
  readonly messages: Readonly<Record<string, Message>>;
}

/** Schema of a record's key: the entity's id. */
const keySchema = (entity: EntityDeclaration): JsonSchema =>
  hasUuid(entity) ? { type: "string", format: "uuid" } : { type: "string", minLength: 1 };
const contentType = "application/json";
const bytes = "application/octet-stream";

/** The topics of one entity. */
export const channelsOf = (entity: EntityDeclaration): Channel[] => [
  { topic: eventsTopic(entity), messages: events(entity) },
  ...entity.replicas.map((replica) => ({
    topic: replicaTopic(entity, replica.name),
    messages: routed(entity, replica),
  })),
  { topic: deadLetterTopic(entity), messages: deadLetters(entity) },
  { topic: versionsTopic(entity), messages: versions(entity) },
];

/** The topics that all entities share. */
export const commonChannels = (project: Pick<Project, "namespace" | "replicaNames">): Channel[] => [
  {
    topic: receiptsTopic(project),
    messages: {
      Receipt: {
        summary: "A replica applied these versions",
        headers: noHeaders,
        payload: receiptSchema,
        contentType,
      },
    },
  },
  {
    topic: controlTopic(project),
    messages: {
      Control: {
        summary: "An operator paused or resumed the stream or a replica",
        key: { enum: [STREAM_KEY, ...project.replicaNames.map(replicaKey)] },
        headers: noHeaders,
        payload: controlSchema,
        contentType,
      },
      ClearedLosses: {
        summary: "An operator has sent again what topics had lost",
        key: { enum: [CLEARED_LOSSES_KEY] },
        headers: noHeaders,
        payload: clearedLossesSchema,
        contentType,
      },
      SourceClaimed: {
        summary: "A source claimed the topics: they hold its events",
        key: { pattern: `^${CLAIM_KEY_PREFIX}` },
        headers: noHeaders,
        payload: claimSchema,
        contentType,
      },
    },
  },
];

/** The event of the declaration's example; undefined when it has none. */
function exampleEvent(entity: EntityDeclaration): EntityEvent | undefined {
  const document = exampleDocument(entity);
  if (!document) return undefined;
  const { name, namespace, schemaVersion } = entity;
  const event = {
    namespace,
    entity: name,
    id: exampleId(entity),
    operation: "upserted",
    schemaVersion,
    document,
  } as const;
  return { ...event, version: 1, time: EXAMPLE_TIME };
}

const exampleMessage = (encoded: { headers: Readonly<Record<string, string>>; value: string | null }) => ({
  headers: encoded.headers,
  payload: JSON.parse(encoded.value ?? "null"),
});

function events(entity: EntityDeclaration): Channel["messages"] {
  const name = capitalize(entity.name);
  const example = exampleEvent(entity);
  return {
    [`${name}Upserted`]: {
      summary: `A ${entity.name} was created or changed: its whole new state`,
      key: keySchema(entity),
      headers: eventHeaders(entity, "upserted"),
      payload: documentSchema(entity),
      contentType,
      ...(example && { examples: [exampleMessage(encodeEvent(example))] }),
    },
    [`${name}Deleted`]: {
      summary: `A ${entity.name} was deleted`,
      key: keySchema(entity),
      headers: eventHeaders(entity, "deleted"),
      payload: deletedSchema,
      contentType,
      ...(example && { examples: [exampleMessage(encodeEvent({ ...example, operation: "deleted", document: null }))] }),
    },
  };
}

function routed(entity: EntityDeclaration, replica: ReplicaDeclaration): Channel["messages"] {
  const name = `${capitalize(replica.name)}${capitalize(entity.name)}`;
  const [example, document] = [exampleEvent(entity), exampleForReplica(entity, replica)];
  const headers = example && headersOf(example, 0, undefined);
  return {
    [`${name}Upserted`]: {
      summary: `The projection of a ${entity.name} for ${replica.name}`,
      key: keySchema(entity),
      headers: routedHeaders(entity, "upserted"),
      payload: documentSchema(replica),
      contentType,
      ...(example && document && { examples: [exampleMessage(encodeRouted(example, document, headers!))] }),
    },
    [`${name}Removed`]: {
      summary: `${replica.name} deletes the ${entity.name}: deleted in the source, or excluded by the replica's filter`,
      key: keySchema(entity),
      headers: routedHeaders(entity, "deleted"),
      payload: z.null(),
      contentType,
      ...(example && { examples: [exampleMessage(encodeRouted(example, null, headers!))] }),
    },
  };
}

const deadLetters = ({ name }: EntityDeclaration): Channel["messages"] => ({
  [`${capitalize(name)}DeadLetter`]: {
    summary: "A record that could not be processed: its original bytes, key and headers, and the reason",
    headers: deadLetterHeaders,
    payload: z.unknown(),
    contentType: bytes,
  },
  [`${capitalize(name)}DeadLetterMark`]: {
    summary: "A mark: what was done about a dead letter",
    headers: markHeaders,
    payload: z.null(),
    contentType: bytes,
  },
});

const versions = (entity: EntityDeclaration): Channel["messages"] => ({
  [`${capitalize(entity.name)}Version`]: {
    summary: "The newest version of an entity that the stream has routed, and the replicas that must not have it",
    key: keySchema(entity),
    headers: noHeaders,
    payload: knownVersionSchema,
    contentType,
  },
});
