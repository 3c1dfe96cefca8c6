/**
 * An event in a replica's topic: the replica's projection of the document, or a Kafka tombstone (null value). The
 * tombstone's headers keep the version; the topic's compaction removes it later.
 */
import type { EntityDeclaration, ReplicaDeclaration } from "./entity/declaration.ts";
import type { Document, EntityId, Version } from "./entity/document.ts";
import { parseDocument } from "./entity/parse.ts";
import { upcastProjection } from "./entity/upcast.ts";
import { LockstepError } from "./errors.ts";
import { type EntityEvent, type EventMessage, eventAttributes, header, type Operation } from "./event.ts";

/**
 * The message for a replica's topic. A tombstone says from which version on the replica has no such entity: it was
 * deleted, or the replica's filter excludes it. The actor is left out.
 *
 * @param projected the replica's document; null for a tombstone.
 * @param headers made by {@link routedHeaders}.
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
 * The headers of one event's messages. The messages to all replicas share them.
 *
 * @param traceparent trace context of the stream's span; undefined when the span is not recorded.
 */
export function routedHeaders(event: EntityEvent, inputOffset: number, traceparent: string | undefined): RoutedHeaders {
  const headersOf = (operation: Operation) => {
    const headers = eventAttributes(event, operation);
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
  /** The replica's document; null deletes the entity in the replica. */
  readonly document: Document | null;
  /** {@link EntityEvent.time} */
  readonly time: string;
  readonly traceparent?: string | undefined;
  readonly digest?: string | undefined;
  readonly resend?: string | undefined;
}

/** The schema version of a document is newer than this program's declaration. */
export class NewerSchemaVersionError extends LockstepError {
  /** @param known schema version of this program's declaration. */
  constructor(entity: string, schemaVersion: number, known: number) {
    super(
      "NEWER_SCHEMA_VERSION",
      `schema version ${schemaVersion} of ${entity} is newer than this program's ${known}; upgrade this program`,
    );
  }
}

/**
 * Reads a message of a replica's topic and converts its document to the current schema version. The stream is the only
 * writer of the topic, so the document is not validated.
 *
 * @throws {NewerSchemaVersionError} for a document of a newer schema version. A delete has no document and is readable.
 * @throws {UpcastError} when the document cannot be converted.
 * @throws {Error} for a message that {@link encodeRouted} did not make.
 */
export function decodeRouted(
  message: { key: Buffer | null; value: Buffer | null; headers: Readonly<Record<string, string>> },
  { entity, replica }: { readonly entity: EntityDeclaration; readonly replica: ReplicaDeclaration },
): RoutedEvent {
  const version = Number(message.headers[header.version]);
  const schemaVersion = Number(message.headers[header.schemaVersion]);
  const time = message.headers[header.time];
  const hasVersions =
    Number.isSafeInteger(version) && version >= 1 && Number.isSafeInteger(schemaVersion) && schemaVersion >= 1;
  const traceparent = message.headers[header.traceparent];
  const digest = message.headers[header.digest];
  const resend = message.headers[header.resend];
  if (!message.key || !hasVersions || !time || (digest && !isDigest(digest)))
    throw new Error(
      "the record was not written by the stream: its key, version, schema version, time or digest is invalid",
    );
  const projected = message.value && (parseDocument(replica, message.value.toString()) as Document);
  if (projected && schemaVersion > entity.schemaVersion)
    throw new NewerSchemaVersionError(entity.name, schemaVersion, entity.schemaVersion);
  return {
    id: message.key.toString(),
    version,
    document: projected && upcastProjection(entity, replica, projected, schemaVersion),
    time,
    traceparent: traceparent || undefined,
    digest: digest || undefined,
    resend: resend || undefined,
  };
}

/** True for the text of a 64-bit integer. */
const isDigest = (text: string): boolean =>
  /^-?\d{1,19}$/.test(text) && BigInt.asIntN(64, BigInt(text)) === BigInt(text);
