/** The headers of each kind of message, as schemas. What is not named here may be there too and says nothing. Pure. */
import { z } from "zod";
import { deadLetterHeader, resolutions } from "../dead-letter.ts";
import { reasonNames } from "../dead-letter-reasons.ts";
import type { EntityDeclaration } from "../entity/declaration.ts";
import { ID_PATTERN } from "../entity/document.ts";
import { EVENT_SOURCE, eventType, header, type Operation } from "../event.ts";

const counter = z.string().regex(/^[1-9]\d*$/);
const offset = z.string().regex(/^\d+$/);

/** CloudEvents 1.0 in Kafka's binary mode, of the source's topic. */
export const eventHeaders = (entity: EntityDeclaration, operation: Operation) =>
  z.looseObject({
    ...attributes(entity, operation),
    [header.actor]: z.string().optional().describe("who asked for the change"),
    [header.replayOf]: z.string().optional().describe("on an event that was a dead letter: the letter's origin"),
  });

/** Of a replica's topic. */
export const routedHeaders = (entity: EntityDeclaration, operation: Operation) =>
  z.looseObject({
    ...attributes(entity, operation),
    [header.inputOffset]: offset.describe("offset of the event in the input partition of the same number"),
  });

const attributes = ({ name }: EntityDeclaration, operation: Operation) => ({
  [header.specversion]: z.literal("1.0"),
  [header.id]: z
    .string()
    .regex(new RegExp(`^${name}:[0-9a-f-]{36}:[1-9]\\d*(:.+)?$`))
    .describe("one write, one id: <entity>:<id>:<version>, and what tells a resend from another"),
  [header.source]: z.literal(EVENT_SOURCE),
  [header.type]: z.literal(eventType(name, operation)),
  [header.subject]: z.string().regex(ID_PATTERN).describe("the entity's id"),
  [header.time]: z.iso.datetime({ offset: true }).describe("when the source committed the change"),
  [header.version]: counter.describe("version of the entity after the change"),
  [header.schemaVersion]: counter.describe("version of the document's shape; an earlier one is upcast by who reads it"),
  [header.contentType]: z.literal("application/json"),
  [header.traceparent]: z.string().optional().describe("W3C trace context of the write"),
  [header.digest]: z
    .string()
    .regex(/^-?\d+$/)
    .optional()
    .describe("hash of the source's whole row, a bigint"),
  [header.resend]: z.string().optional().describe("set when present state is sent once more, to be applied again"),
});

const origin = {
  [deadLetterHeader.topic]: z.string().describe("topic of the record that it was"),
  [deadLetterHeader.partition]: offset,
  [deadLetterHeader.offset]: offset,
};

/** Of a dead letter; its original headers stand beside these. */
export const deadLetterHeaders = z.looseObject({
  ...origin,
  [deadLetterHeader.reason]: z.enum(reasonNames),
  [deadLetterHeader.detail]: z.string(),
  [deadLetterHeader.stack]: z.string(),
  [deadLetterHeader.timestamp]: offset.describe("when the record was written, milliseconds since 1970"),
  [deadLetterHeader.replica]: z.string().optional().describe("the replica that could not apply it"),
});

/** Of what was done about a dead letter. */
export const markHeaders = z.looseObject({
  ...origin,
  [deadLetterHeader.resolution]: z.enum(resolutions),
  [deadLetterHeader.resolvedAt]: offset.describe("milliseconds since 1970"),
});

/** Of a message that says everything in its value. */
export const noHeaders = z.looseObject({});
