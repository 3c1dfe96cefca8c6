/** Example documents of an entity, for API descriptions and for trials. Pure. */
import { type EntityDeclaration, ownMembers, type ReplicaDeclaration } from "./declaration.ts";
import type { Document, EntityId } from "./document.ts";
import type { Field, FieldKind, Fields } from "./field.ts";
import { keyOf } from "./key.ts";
import { inputSchema } from "./schemas.ts";

/** Time of every example. */
export const EXAMPLE_TIME = "2026-01-02T03:04:05.678Z";
const at = EXAMPLE_TIME;
/** Id of every example with a UUID: a UUIDv7, as the gateway creates them. */
export const EXAMPLE_ID = "0197f3a0-0000-7000-8000-000000000001";

/** A value for a member that no client sets, by the kind of its field. */
const placeholders: Readonly<Record<FieldKind, unknown>> = {
  array: [],
  bigint: 1,
  boolean: true,
  bytea: "\\x00ff",
  date: at.slice(0, 10),
  enum: "",
  float: 1,
  json: "{}",
  jsonb: {},
  number: 1,
  numeric: "1",
  other: "",
  text: "example",
  time: "03:04:05",
  timestamp: at.slice(0, -1),
  timestamptz: at,
  uuid: EXAMPLE_ID,
};

function placeholderOf({ kind, nullable, scale, schema }: Field): unknown {
  if (kind === "numeric" && scale) return `1.${"0".repeat(scale)}`;
  const value = placeholders[kind];
  return nullable && !schema.safeParse(value).success ? null : value;
}

/** Placeholders of the members that `given` lacks. */
const complete = (fields: Fields, given: Document): Document =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([member]) => !(member in given))
      .map(([member, field]) => [member, placeholderOf(field)]),
  );

/**
 * The source's document after a client sent the declaration's example.
 *
 * @returns undefined when the declaration has no example, or the example is no longer valid.
 */
export function exampleDocument(entity: EntityDeclaration): Document | undefined {
  const input = inputSchema(entity).safeParse(entity.example);
  if (!input.success) return undefined;
  const lists = Object.entries(entity.children).map(([member, child]) => {
    const lines = input.data[member] as readonly Document[];
    return [member, lines.map((line) => ({ ...line, ...complete(child.fields, line) }))];
  });
  return { ...input.data, ...complete(entity.fields, input.data), ...Object.fromEntries(lists) };
}

/** Id of the example. */
export const exampleId = (entity: EntityDeclaration): EntityId =>
  keyOf(entity, { ...complete(entity.fields, {}), ...entity.example });

/** The declaration's example as a client sends it. @param suffix makes the unique texts different from earlier ones. */
export const exampleInput = ({ example, unique }: EntityDeclaration, suffix: string): Document =>
  Object.fromEntries(
    Object.entries(example ?? {}).map(([member, value]) => [
      member,
      unique.includes(member) && typeof value === "string" ? `${value}-${suffix}` : value,
    ]),
  );

/** Also undefined where the declaration throws: a process that projects nothing has no keys of masks. */
function projectedOrUndefined(replica: ReplicaDeclaration, document: Document): Document | undefined {
  try {
    return replica.filter(document) ? replica.project(document) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * The replica's document of the example.
 *
 * @returns undefined when there is none, or the replica's filter excludes it.
 */
export function exampleForReplica(entity: EntityDeclaration, replica: ReplicaDeclaration): Document | undefined {
  const document = exampleDocument(entity);
  const example = document && projectedOrUndefined(replica, document);
  if (!example) return undefined;
  const own = ownMembers(entity);
  const projected = Object.entries(example);
  const isOwn = ([member]: readonly [string, unknown]) => own.includes(member);
  return Object.fromEntries([...projected.filter((entry) => !isOwn(entry)), ...projected.filter(isOwn)]);
}
