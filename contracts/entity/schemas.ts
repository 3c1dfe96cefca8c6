/** Schemas of an entity's documents: as events carry them, and as clients send them. */
import { z } from "zod";
import type { EntityDeclaration } from "./declaration.ts";
import { type Field, systemFields } from "./fields.ts";
import { type Fits, fitsObject } from "./fits.ts";

const shapeOf = (fields: Readonly<Record<string, Field>>) =>
  Object.fromEntries(Object.entries(fields).map(([member, f]) => [member, f.schema]));

/** Schema of a whole document as an event carries it; unknown members are refused. */
export const documentSchema = (entity: Pick<EntityDeclaration, "fields">): z.ZodObject =>
  z.strictObject(shapeOf({ ...systemFields, ...entity.fields }));

/** Quick check of a whole document: what it holds for, {@link documentSchema} takes, unchanged. */
export const fitsDocument = ({ fields }: Pick<EntityDeclaration, "fields">): Fits =>
  fitsObject({ ...systemFields, ...fields });

/** Schema of what a client sends to create or replace an entity: fields with an `initial` value may be missing. */
export const inputSchema = (entity: EntityDeclaration): z.ZodObject =>
  z.strictObject(
    Object.fromEntries(
      Object.entries(entity.fields).map(([member, f]) => [
        member,
        "initial" in f ? f.schema.default(() => structuredClone(f.initial) as never) : f.schema,
      ]),
    ),
  );

/** Schema of a JSON merge patch (RFC 7396): any subset of the fields; null puts a field back to its initial value. */
export const patchSchema = (entity: EntityDeclaration): z.ZodObject =>
  z.strictObject(
    Object.fromEntries(
      Object.entries(entity.fields).map(([member, f]) => [
        member,
        ("initial" in f
          ? f.schema.nullable().transform((v) => (v === null ? structuredClone(f.initial) : v))
          : f.schema
        ).optional(),
      ]),
    ),
  );
