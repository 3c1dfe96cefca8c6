/** Schemas of an entity's documents: in events, and in requests of clients. */
import { z } from "zod";
import { type DocumentShape, type EntityDeclaration, ownMembers, type Shape } from "./declaration.ts";
import type { Field, Fields } from "./field.ts";
import { type QuickCheck, quickListCheck, quickObjectCheck } from "./quick-check.ts";

const mapFields = (fields: Fields, schemaOf: (field: Field) => z.ZodType): Record<string, z.ZodType> =>
  Object.fromEntries(Object.entries(fields).map(([member, field]) => [member, schemaOf(field)]));

const mapChildren = (children: Shape["children"], fieldsSchema: (fields: Fields) => z.ZodType) =>
  Object.fromEntries(Object.entries(children).map(([member, child]) => [member, z.array(fieldsSchema(child.fields))]));

/** Fields of clients: without those that the database or Lockstep sets, and without `omitted`. */
export const writable = (fields: Fields, omitted: readonly string[] = []): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([member, { readOnly }]) => !readOnly && !omitted.includes(member)));

/** Schema of a whole document in an event. Unknown members are invalid. The members of Lockstep come first. */
export function documentSchema(shape: DocumentShape): z.ZodObject {
  const own = ownMembers(shape).map((member) => [member, shape.fields[member]!]);
  return z.strictObject({
    ...mapFields({ ...Object.fromEntries(own), ...shape.fields }, ({ schema }) => schema),
    ...mapChildren(shape.children, (fields) => z.strictObject(mapFields(fields, ({ schema }) => schema))),
  });
}

/** Quick check of a whole document. Each document that passes is valid by {@link documentSchema}. */
export const quickDocumentCheck = ({ fields, children }: Shape): QuickCheck =>
  quickObjectCheck({
    ...fields,
    ...Object.fromEntries(
      Object.entries(children).map(([member, child]) => [
        member,
        { quickCheck: quickListCheck(quickObjectCheck(child.fields)) },
      ]),
    ),
  });

/** A missing member gets its initial value, else the database's default, else null where null is allowed. */
function inputOf(field: Field): z.ZodType {
  if ("initial" in field) return field.schema.default(() => structuredClone(field.initial) as never);
  if (field.hasDatabaseDefault) return field.schema.optional();
  return field.nullable ? field.schema.default(() => null as never) : field.schema;
}

/** Schema of a request that creates an entity, with the members of a key that clients choose. */
export const inputSchema = (entity: EntityDeclaration): z.ZodObject => inputWithout(entity, []);

/** Schema of a request that replaces an entity. The URL has its key. */
export const replaceSchema = (entity: EntityDeclaration): z.ZodObject => inputWithout(entity, entity.key);

const inputWithout = ({ fields, children }: EntityDeclaration, omitted: readonly string[]): z.ZodObject =>
  z.strictObject({
    ...mapFields(writable(fields, omitted), inputOf),
    ...Object.fromEntries(
      Object.entries(inputChildren(children)).map(([member, list]) => [member, list.default(() => [])]),
    ),
  });

/** Children as a client sends them: without the parent's key, which the request has. */
const inputChildren = (children: Shape["children"]) =>
  mapChildren(children, (fields) => z.strictObject(mapFields(writable(fields), inputOf)));

/**
 * Schema of a JSON merge patch (RFC 7396): any subset of the members, without those of the key. Null sets null where
 * null is allowed, and resets any other member to its initial value; it stays null for a value that the database makes.
 * A list of children is replaced as a whole.
 */
export const patchSchema = ({ fields, children, key }: EntityDeclaration): z.ZodObject =>
  z.strictObject({
    ...mapFields(writable(fields, key), (field) => patchOf(field).optional()),
    ...Object.fromEntries(Object.entries(inputChildren(children)).map(([member, list]) => [member, list.optional()])),
  });

function patchOf(field: Field): z.ZodType {
  if (field.nullable) return field.schema;
  if ("initial" in field)
    return field.schema.nullable().transform((value) => (value === null ? structuredClone(field.initial) : value));
  return field.hasDatabaseDefault ? field.schema.nullable() : field.schema;
}

/** Members that a client cannot set, and those of the key that it can set only with the insert. */
export const readOnlyMembers = ({ fields, key }: EntityDeclaration): string[] =>
  Object.keys(fields).filter((member) => fields[member]!.readOnly || key.includes(member));
