/** Puts an event into the log that nobody can process, beside the relay's: what a broken writer would do. */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { Document, EntityId } from "../../../contracts/entity/document.ts";
import { documentOf } from "../../../contracts/entity/row.ts";
import { RequestError } from "../../../contracts/errors.ts";
import { encodeEvent } from "../../../contracts/event.ts";
import { eventsTopic } from "../../../contracts/topics.ts";
import type { Log } from "../../../kafka/log.ts";
import { partitionForKey } from "../../../kafka/partitioner.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";

/** `wrong-document`: it is JSON and does not fit the declaration; `no-json`: it is none. */
export const poisons = ["wrong-document", "no-json"] as const;
export type Poison = (typeof poisons)[number];

const WRITER = "lockstep.operations.poison";

export interface PoisonResult {
  /** The version that it claims: the entity's next one, so that its next real change supersedes it. */
  readonly version: number;
  /** Where it stands: `products.events/3/17`. */
  readonly place: string;
  readonly atMs: number;
}

/** @throws {RequestError} NOT_FOUND when the source has no such entity. @throws {Error} when the source or the log does not answer. */
export async function poison(
  { source, log }: { source: Sql; log: Log },
  entity: EntityDeclaration,
  id: EntityId,
  kind: Poison,
): Promise<PoisonResult> {
  const [row] = await source<{ doc: Record<string, unknown> }[]>`
    select to_jsonb(t) as doc from ${source(entity.plural)} t where id = ${id}`;
  if (!row) throw new RequestError("NOT_FOUND", `There is no ${entity.name} ${id}.`);
  const document = documentOf(entity.fields, row.doc);
  const version = Number(document.version) + 1;
  const message = encodeEvent({
    entity: entity.name,
    id,
    version,
    operation: "upserted",
    time: new Date().toISOString(),
    schemaVersion: entity.schemaVersion,
    document: spoilt(entity, { ...document, version }),
  });
  const { name: topic } = eventsTopic(entity);
  const at = { topic, partition: partitionForKey(id, await log.partitionCount(topic)) };
  const writer = await log.openWriter(WRITER, [at]);
  try {
    const value = kind === "no-json" ? message.value!.slice(0, -1) : message.value;
    const offset = await writer.write(at, [{ ...message, value }]);
    return { version, place: `${topic}/${at.partition}/${offset}`, atMs: Date.now() };
  } finally {
    await writer.close();
  }
}

/** The same document with a value in the first field that no declaration takes there. */
function spoilt(entity: EntityDeclaration, document: Document): Document {
  const [first] = Object.keys(entity.fields);
  return first === undefined ? { ...document, poison: true } : { ...document, [first]: { poison: true } };
}
