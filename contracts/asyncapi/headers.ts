/** Schemas of the headers of each kind of message. A message may have further headers, which have no meaning. Pure. */
import { z } from "zod";
import { deadLetterHeader, resolutions } from "../dead-letter.ts";
import { reasonNames } from "../dead-letter-reasons.ts";
import type { EntityDeclaration } from "../entity/declaration.ts";
import { ID_PATTERN } from "../entity/document.ts";
import { eventSource, eventType, header, type Operation } from "../event.ts";

const counter = z.string().regex(/^[1-9]\d*$/);
const offset = z.string().regex(/^\d+$/);

/** Headers in `<plural>.events`: CloudEvents 1.0 in Kafka's binary mode. */
export const eventHeaders = (entity: EntityDeclaration, operation: Operation) =>
  z.looseObject({
    ...attributes(entity, operation),
    [header.actor]: z.string().optional().describe("subject of the token of the write's client"),
    [header.replayOf]: z.string().optional().describe("on the replay of a dead letter: the dead letter's origin"),
  });

/** Headers in a replica's topic. */
export const routedHeaders = (entity: EntityDeclaration, operation: Operation) =>
  z.looseObject({
    ...attributes(entity, operation),
    [header.inputOffset]: offset.describe("offset of the event in the input partition of the same number"),
  });

/** True when the ids of the entity are UUIDs. */
export const hasUuid = ({ key, fields }: EntityDeclaration): boolean =>
  key.length === 1 && fields[key[0]!]!.kind === "uuid";

const attributes = (entity: EntityDeclaration, operation: Operation) => ({
  [header.specversion]: z.literal("1.0"),
  [header.id]: z
    .string()
    .regex(new RegExp(`^${entity.name}:${hasUuid(entity) ? "[0-9a-f-]{36}" : ".+"}:[1-9]\\d*(:.+)?$`))
    .describe("id of the change: <entity>:<id>:<version>, with a suffix for a resend"),
  [header.source]: z.literal(eventSource(entity.namespace)),
  [header.type]: z.literal(eventType(entity.name, operation)),
  [header.subject]: (hasUuid(entity) ? z.string().regex(ID_PATTERN) : z.string().min(1)).describe("the entity's id"),
  [header.time]: z.iso.datetime({ offset: true }).describe("time of the commit in the source"),
  [header.version]: counter.describe("version of the entity after the change"),
  [header.schemaVersion]: counter.describe("version of the document's shape; the reader converts an earlier one"),
  [header.contentType]: z.literal("application/json"),
  [header.traceparent]: z.string().optional().describe("W3C trace context of the write"),
  [header.digest]: z
    .string()
    .regex(/^-?\d+$/)
    .optional()
    .describe("hash of the source's whole row, a bigint as text"),
  [header.resend]: z
    .string()
    .optional()
    .describe("set on a resend: the state is sent again under the same version, and applied again"),
});

const origin = {
  [deadLetterHeader.topic]: z.string().describe("topic of the rejected record"),
  [deadLetterHeader.partition]: offset,
  [deadLetterHeader.offset]: offset,
};

/** Headers of a dead letter. The rejected record's headers are also present. */
export const deadLetterHeaders = z.looseObject({
  ...origin,
  [deadLetterHeader.reason]: z.enum(reasonNames),
  [deadLetterHeader.detail]: z.string(),
  [deadLetterHeader.stack]: z.string(),
  [deadLetterHeader.timestamp]: offset.describe("time when the rejected record was written, milliseconds since 1970"),
  [deadLetterHeader.replica]: z.string().optional().describe("the replica that could not apply the record"),
});

/** Headers of a mark. */
export const markHeaders = z.looseObject({
  ...origin,
  [deadLetterHeader.resolution]: z.enum(resolutions),
  [deadLetterHeader.resolvedAt]: offset.describe("time of the resolution, milliseconds since 1970"),
});

/** Headers of a message that has all of its content in its value. */
export const noHeaders = z.looseObject({});
