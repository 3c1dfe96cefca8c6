/** Schemas of an entity's documents: in events, and in requests of clients. */
import { z } from "zod";
import type { EntityDeclaration } from "./declaration.ts";
import { type Field, systemFields } from "./fields.ts";
import { type QuickCheck, quickObjectCheck } from "./quick-check.ts";

const mapFields = (
  fields: Readonly<Record<string, Field>>,
  schemaOf: (field: Field) => z.ZodType,
): Record<string, z.ZodType> =>
  Object.fromEntries(Object.entries(fields).map(([member, field]) => [member, schemaOf(field)]));

/** Schema of a whole document in an event. Unknown members are invalid. */
export const documentSchema = (entity: Pick<EntityDeclaration, "fields">): z.ZodObject =>
  z.strictObject(mapFields({ ...systemFields, ...entity.fields }, ({ schema }) => schema));

/** Quick check of a whole document. Each document that passes is valid by {@link documentSchema}. */
export const quickDocumentCheck = ({ fields }: Pick<EntityDeclaration, "fields">): QuickCheck =>
  quickObjectCheck({ ...systemFields, ...fields });

/** Schema of a request that creates or replaces an entity. A missing field gets its `initial` value, if it has one. */
export const inputSchema = (entity: EntityDeclaration): z.ZodObject =>
  z.strictObject(
    mapFields(entity.fields, (field) =>
      "initial" in field ? field.schema.default(() => structuredClone(field.initial) as never) : field.schema,
    ),
  );

/** Schema of a JSON merge patch (RFC 7396): any subset of the fields. Null resets a field to its `initial` value. */
export const patchSchema = (entity: EntityDeclaration): z.ZodObject =>
  z.strictObject(
    mapFields(entity.fields, (field) =>
      ("initial" in field
        ? field.schema.nullable().transform((value) => (value === null ? structuredClone(field.initial) : value))
        : field.schema
      ).optional(),
    ),
  );
