/**
 * The event of one change, as a CloudEvents 1.0 message in Kafka's binary content mode (CloudEvents Kafka protocol
 * binding 1.0, section 3.2): attributes in `ce_` headers, the whole new state as JSON in the value.
 *
 * In `<plural>.events` a delete carries `{ id, version }` as its value. In a replica's topic a delete is a Kafka tombstone
 * (null value) whose headers keep the version, so that compaction can forget it.
 */

import { z } from "zod";
import type { EntityDeclaration, ReplicaDeclaration } from "./entity/declaration.ts";
import type { Document, EntityId, Version } from "./entity/document.ts";
import { upcastProjection } from "./entity/upcast.ts";
import { LockstepError } from "./errors.ts";

export type Operation = "upserted" | "deleted";

export interface EntityEvent {
  /** Name of the entity's declaration: `product`. */
  readonly entity: string;
  readonly id: EntityId;
  readonly version: Version;
  readonly operation: Operation;
  /** When the source committed the change, ISO 8601; the trigger's clock where commit timestamps are off. */
  readonly time: string;
  /** Version of the document's shape. */
  readonly schemaVersion: number;
  /** The whole state after the change; null for a delete. */
  readonly document: Document | null;
  /** W3C trace context of the write. */
  readonly traceparent?: string | undefined;
  /** Who asked for the write, as the gateway knows it. */
  readonly actor?: string | undefined;
  /** Digest of the source's whole row, a bigint as text: the same hash as verification computes in the source; none for a delete. */
  readonly digest?: string | undefined;
  /** Set when the state is sent once more under a version that was sent before, to be applied again: unlike any other resend's. */
  readonly resend?: string | undefined;
}

/** What is written to the log for one event. */
export interface EventMessage {
  readonly key: string;
  readonly value: string | null;
  readonly headers: Record<string, string>;
}

/** Where an event comes from (CloudEvents `source`). */
export const EVENT_SOURCE = "/lockstep/gateway";

/** Header names, all in one place: CloudEvents attributes and extensions carry the prefix `ce_`. */
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
  /** Extension: who asked for the change. */
  actor: "ce_actor",
  /** CloudEvents distributed tracing extension; the value is a W3C `traceparent`. */
  traceparent: "ce_traceparent",
  contentType: "content-type",
  /** {@link EntityEvent.digest} */
  digest: "lockstep-digest",
  /** {@link EntityEvent.resend} */
  resend: "lockstep-resend",
  /** Offset of the event in the input partition of the same number, on every record that the stream writes. */
  inputOffset: "lockstep-input-offset",
  /** On an event that was a dead letter: the letter's origin. */
  replayOf: "lockstep-replay-of",
} as const;

/** `lockstep.product.upserted` */
export const eventType = (entity: string, operation: Operation): string => `lockstep.${entity}.${operation}`;

/** What `<plural>.events` carries for a delete. */
export const deletedSchema = z.strictObject({ id: z.string(), version: z.number() });

/** What each type of an entity's events says. */
export const operationsOf = ({ name }: EntityDeclaration): ReadonlyMap<string, Operation> =>
  new Map((["upserted", "deleted"] as const).map((operation) => [eventType(name, operation), operation]));

/** Identity of a change everywhere: the CloudEvents id. */
export const changeId = (of: Pick<EntityEvent, "entity" | "id" | "version" | "resend">): string =>
  of.resend ? `${of.entity}:${of.id}:${of.version}:${of.resend}` : `${of.entity}:${of.id}:${of.version}`;

function attributes(event: EntityEvent, operation: Operation): Record<string, string> {
  const headers: Record<string, string> = {
    [header.specversion]: "1.0",
    // One write, one id: whoever receives it twice can tell (CloudEvents 1.0, `id`).
    [header.id]: changeId(event),
    [header.source]: EVENT_SOURCE,
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
  const headers = attributes(event, event.operation);
  if (event.actor) headers[header.actor] = event.actor;
  return { key: event.id, value: JSON.stringify(data), headers };
}

/**
 * The message for a replica's topic: the projected document, or a tombstone that says from which version on the replica has none,
 * be it deleted or not the replica's to keep. Who asked is not passed on.
 *
 * @param headers of {@link routedHeaders}.
 */
export const encodeRouted = (event: EntityEvent, projected: Document | null, headers: RoutedHeaders): EventMessage => ({
  key: event.id,
  value: projected ? JSON.stringify(projected) : null,
  headers: projected ? headers.upserted : headers.deleted,
});

interface RoutedHeaders {
  readonly upserted: Record<string, string>;
  readonly deleted: Record<string, string>;
}

/**
 * The headers of one event's messages, shared by those of all replicas.
 *
 * @param traceparent of the hop that routes, when it is recorded.
 */
export function routedHeaders(event: EntityEvent, inputOffset: number, traceparent: string | undefined): RoutedHeaders {
  const headersOf = (operation: Operation) => {
    const headers = attributes(event, operation);
    if (traceparent) headers[header.traceparent] = traceparent;
    headers[header.inputOffset] = String(inputOffset);
    return headers;
  };
  let [upserted, deleted]: (Record<string, string> | undefined)[] = [];
  return {
    get upserted() {
      upserted ??= headersOf("upserted");
      return upserted;
    },
    get deleted() {
      deleted ??= headersOf("deleted");
      return deleted;
    },
  };
}

/** One change as a replica receives it. */
export interface RoutedEvent {
  readonly id: EntityId;
  readonly version: Version;
  /** The replica's document; null removes the entity. */
  readonly document: Document | null;
  readonly time: string;
  readonly traceparent?: string | undefined;
  readonly digest?: string | undefined;
  readonly resend?: string | undefined;
}

/** A document of a schema version that this program does not know: it has to be upgraded before it may read on. */
export class NewerSchemaVersionError extends LockstepError {
  constructor(entity: string, schemaVersion: number, known: number) {
    super(
      "NEWER_SCHEMA_VERSION",
      `schema version ${schemaVersion} of ${entity} is newer than this program knows (${known}): upgrade it`,
    );
  }
}

/**
 * Reads a message of a replica's topic; what was projected by an earlier schema version comes in today's shape. The stream is the
 * topic's only writer, so only the form is checked.
 *
 * @throws {NewerSchemaVersionError} for a document: a delete has no shape.
 * @throws {UpcastError}
 * @throws {Error} when the message is not one that {@link encodeRouted} made.
 */
export function decodeRouted(
  message: { key: Buffer | null; value: Buffer | null; headers: Readonly<Record<string, string>> },
  { entity, replica }: { readonly entity: EntityDeclaration; readonly replica: ReplicaDeclaration },
): RoutedEvent {
  const version = Number(message.headers[header.version]);
  const schemaVersion = Number(message.headers[header.schemaVersion]);
  const time = message.headers[header.time];
  const numbers = [version, schemaVersion].every((number) => Number.isSafeInteger(number) && number >= 1);
  const { [header.traceparent]: traceparent, [header.digest]: digest, [header.resend]: resend } = message.headers;
  if (!message.key || !numbers || !time || (digest && !isDigest(digest))) throw new Error("not a routed event");
  const sent = message.value && (JSON.parse(message.value.toString()) as Document);
  if (sent && schemaVersion > entity.schemaVersion)
    throw new NewerSchemaVersionError(entity.name, schemaVersion, entity.schemaVersion);
  return {
    id: message.key.toString(),
    version,
    document: sent && upcastProjection(entity, replica, sent, schemaVersion),
    time,
    traceparent: traceparent || undefined,
    digest: digest || undefined,
    resend: resend || undefined,
  };
}

/** Whether a text is a bigint, of 64 bits. */
const isDigest = (text: string): boolean =>
  /^-?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
