/**
 * Types whose document value is a text: `text`, `varchar`, `char`, `citext`, `uuid`, `bytea`, enums, and all others.
 */
import { z } from "zod";
import { toArrayText } from "../array-text.ts";
import { isRawNumber, isStorable } from "../exact-json.ts";
import type { ValueForm } from "../field.ts";
import { rules, rulesOf } from "../rules.ts";

const NOT_STORABLE = "must not contain U+0000 or a lone surrogate";
const asIs = (value: unknown): unknown => value;

/** A text that PostgreSQL can store, with at most `maxCharacters` Unicode characters when there is such a limit. */
export function storable(schema: z.ZodType, maxCharacters?: number): z.ZodType {
  const named = (refined: z.ZodType, ...names: string[]) => refined.meta(rules(...rulesOf(schema), ...names));
  const checked = (schema as z.ZodString).refine(isStorable, NOT_STORABLE);
  if (maxCharacters === undefined) return named(checked, "storable");
  return named(
    checked.refine(
      (value) => value.length <= maxCharacters || [...value].length <= maxCharacters,
      `must have at most ${maxCharacters} characters`,
    ),
    "storable",
    `at most ${maxCharacters} characters`,
  );
}

/** `text`, `citext`, and `varchar(length)` or `char(length)`. */
export const textForm = (
  options: { readonly length?: number | undefined; readonly padded?: boolean } = {},
): ValueForm => ({
  kind: "text",
  schema: z.string(),
  complete: (schema) => storable(schema, options.length),
  // PostgreSQL ignores the blanks that fill a value of char(n), and its cast to text removes them.
  fromColumn: options.padded ? (value) => (typeof value === "string" ? value.replace(/ +$/, "") : value) : asIs,
});

/** One of a closed list of words. */
export const enumForm = (values: readonly [string, ...string[]]): ValueForm => ({
  kind: "enum",
  schema: z.enum(values),
  fromColumn: asIs,
});

/** Plain SQL may insert any UUID, also one without a version of RFC 9562. */
export const uuidForm: ValueForm = { kind: "uuid", schema: z.guid(), fromColumn: asIs };

/** Bytes in PostgreSQL's `hex` format: `\x00ff`. */
export const byteaForm: ValueForm = {
  kind: "bytea",
  schema: z.string().regex(/^\\x(?:[0-9a-fA-F]{2})*$/, 'must be bytes like "\\x00ff"'),
  fromColumn: asIs,
};

/** Any type without a form of its own. PostgreSQL checks the text. */
export const otherForm: ValueForm = {
  kind: "other",
  schema: z.string(),
  complete: (schema) => storable(schema),
  fromColumn: textOf,
};

/** A text that PostgreSQL reads as the same value. @param value as `to_jsonb` returns it. */
function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (isRawNumber(value)) return value.rawJSON;
  if (Array.isArray(value)) return toArrayText(value, textOf);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
