/** Writes a poison message into the events topic, as a faulty producer would: an event that no consumer can process. */
import { originName } from "../../../contracts/dead-letter.ts";
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { Document, EntityId } from "../../../contracts/entity/document.ts";
import { parseRow } from "../../../contracts/entity/parse.ts";
import { documentOf } from "../../../contracts/entity/row.ts";
import { RequestError } from "../../../contracts/errors.ts";
import { encodeEvent } from "../../../contracts/event.ts";
import { qualify } from "../../../contracts/project.ts";
import { eventsTopic } from "../../../contracts/topics.ts";
import type { Log } from "../../../kafka/log.ts";
import { partitionForKey } from "../../../kafka/partitioner.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";

/** `wrong-document`: JSON that does not match the declaration; `no-json`: a value that is not JSON. */
export const poisonKinds = ["wrong-document", "no-json"] as const;
/** One of {@link poisonKinds}. */
export type PoisonKind = (typeof poisonKinds)[number];

/** Not the relay's writer: the same name would fence the relay. */
const WRITER = "lockstep.operations.poison";

/** The poison message as it was written. */
export interface PoisonMessage {
  /** The entity's next version, so that the next real change of the entity supersedes the dead letter. */
  readonly version: number;
  /** Name of the record: `products.events/3/17`. */
  readonly record: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

/**
 * Writes a poison message for an entity.
 *
 * @throws {RequestError} NOT_FOUND when the source does not have the entity.
 * @throws {Error} when the source or the log does not answer.
 */
export async function sendPoison(
  { source, log }: { source: Sql; log: Log },
  entity: EntityDeclaration,
  id: EntityId,
  kind: PoisonKind,
): Promise<PoisonMessage> {
  const [row] = await source<{ version: string; data: string | null }[]>`
    select version, data::text as data from lockstep.states(${entity.name}, array[${id}::text])`;
  if (!row?.data) throw new RequestError("NOT_FOUND", `The source has no ${entity.name} ${id}.`);
  const document = documentOf(entity, parseRow(entity, row.data));
  const version = Number(row.version) + 1;
  const message = encodeEvent({
    namespace: entity.namespace,
    entity: entity.name,
    id,
    version,
    operation: "upserted",
    time: new Date().toISOString(),
    schemaVersion: entity.schemaVersion,
    document: invalidDocument(
      entity,
      entity.version === undefined ? document : { ...document, [entity.version]: version },
    ),
  });
  const { name: topic } = eventsTopic(entity);
  const target = { topic, partition: partitionForKey(id, await log.partitionCount(topic)) };
  const writer = await log.openWriter(qualify(entity, WRITER), [target]);
  try {
    const value = kind === "no-json" ? message.value!.slice(0, -1) : message.value;
    const offset = await writer.write(target, [{ ...message, value }]);
    return { version, record: originName({ ...target, offset }), atMs: Date.now() };
  } finally {
    await writer.close();
  }
}

/** Copies the document and replaces its first field of a client by an object, which no field accepts. */
function invalidDocument(entity: EntityDeclaration, document: Document): Document {
  const first = Object.keys(entity.fields).find((member) => !entity.fields[member]!.readOnly);
  return first === undefined ? { ...document, poison: true } : { ...document, [first]: { poison: true } };
}
