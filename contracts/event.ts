/**
 * The event of one change: a CloudEvents 1.0 message in Kafka's binary content mode (CloudEvents Kafka protocol binding
 * 1.0, section 3.2). Attributes are in `ce_` headers, the whole new state is JSON in the value.
 *
 * In `<plural>.events` a delete has `{ id, version }` as its value. routed-event.ts has the messages of the replicas'
 * topics.
 */
import { z } from "zod";
import type { EntityDeclaration } from "./entity/declaration.ts";
import type { Document, EntityId, Version } from "./entity/document.ts";

/** What a change did to an entity. */
export type Operation = "upserted" | "deleted";

/** One change of an entity. */
export interface EntityEvent {
  /** Namespace of the project (`contracts/project.ts`). Missing or empty: none. */
  readonly namespace?: string | undefined;
  /** Name of the entity's declaration: `product`. */
  readonly entity: string;
  readonly id: EntityId;
  readonly version: Version;
  readonly operation: Operation;
  /** Time of the commit in the source, ISO 8601. Without commit timestamps there: the trigger's clock. */
  readonly time: string;
  /** Version of the document's shape. */
  readonly schemaVersion: number;
  /** The whole state after the change; null for a delete. */
  readonly document: Document | null;
  /** W3C trace context of the write. */
  readonly traceparent?: string | undefined;
  /** Subject of the token of the write's client. */
  readonly actor?: string | undefined;
  /** Hash of the source's whole row, a bigint as text; verification computes the same. A delete has none. */
  readonly digest?: string | undefined;
  /** Set on a resend, to a unique text: the same version is sent again, and replicas apply it again. */
  readonly resend?: string | undefined;
}

/** A record for the log. */
export interface EventMessage {
  readonly key: string;
  readonly value: string | null;
  readonly headers: Record<string, string>;
}

/** CloudEvents `source` of every event of a project: `/lockstep/gateway`, `/staging/lockstep/gateway`. */
export const eventSource = (namespace = ""): string =>
  namespace === "" ? "/lockstep/gateway" : `/${namespace}/lockstep/gateway`;

/** All header names. CloudEvents attributes and extensions have the prefix `ce_`. */
export const header = {
  specversion: "ce_specversion",
  id: "ce_id",
  source: "ce_source",
  type: "ce_type",
  subject: "ce_subject",
  time: "ce_time",
  /** Extension: version of the entity after the change. */
  version: "ce_entityversion",
  /** Extension: version of the document's shape. */
  schemaVersion: "ce_schemaversion",
  /** Extension: subject of the token of the write's client. */
  actor: "ce_actor",
  /** CloudEvents distributed tracing extension; the value is a W3C `traceparent`. */
  traceparent: "ce_traceparent",
  contentType: "content-type",
  /** {@link EntityEvent.digest} */
  digest: "lockstep-digest",
  /** {@link EntityEvent.resend} */
  resend: "lockstep-resend",
  /** On every record of the stream: offset of the event in the input partition of the same number. */
  inputOffset: "lockstep-input-offset",
  /** On the replay of a dead letter: the dead letter's origin. */
  replayOf: "lockstep-replay-of",
} as const;

/** CloudEvents `type`: `lockstep.product.upserted`. */
export const eventType = (entity: string, operation: Operation): string => `lockstep.${entity}.${operation}`;

/** Schema of a delete's value in `<plural>.events`. */
export const deletedSchema = z.strictObject({ id: z.string(), version: z.number() });

/** The operation for each event type of an entity. */
export const operationsOf = ({ name }: EntityDeclaration): ReadonlyMap<string, Operation> =>
  new Map((["upserted", "deleted"] as const).map((operation) => [eventType(name, operation), operation]));

/**
 * Identity of a change everywhere: the CloudEvents `id`. The resend of a version has another id than its first event.
 */
export const changeId = (of: Pick<EntityEvent, "entity" | "id" | "version" | "resend">): string =>
  of.resend ? `${of.entity}:${of.id}:${of.version}:${of.resend}` : `${of.entity}:${of.id}:${of.version}`;

/** The headers that an event has in every topic. */
export function eventAttributes(event: EntityEvent, operation: Operation): Record<string, string> {
  const headers: Record<string, string> = {
    [header.specversion]: "1.0",
    // One change has one id, so that a receiver recognises a duplicate (CloudEvents 1.0, `id`).
    [header.id]: changeId(event),
    [header.source]: eventSource(event.namespace),
    [header.type]: eventType(event.entity, operation),
    [header.subject]: event.id,
    [header.time]: event.time,
    [header.version]: String(event.version),
    [header.schemaVersion]: String(event.schemaVersion),
    [header.contentType]: "application/json",
  };
  if (event.traceparent) headers[header.traceparent] = event.traceparent;
  if (event.digest) headers[header.digest] = event.digest;
  if (event.resend) headers[header.resend] = event.resend;
  return headers;
}

/** The message for `<plural>.events`. */
export function encodeEvent(event: EntityEvent): EventMessage {
  const data = event.document ?? { id: event.id, version: event.version };
  const headers = eventAttributes(event, event.operation);
  if (event.actor) headers[header.actor] = event.actor;
  return { key: event.id, value: JSON.stringify(data), headers };
}
