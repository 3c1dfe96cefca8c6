/** Field types: how a value is validated in a document and read from a column. */
import { z } from "zod";
import {
  type QuickCheck,
  quickIntegerCheck,
  quickListCheck,
  quickPatternCheck,
  quickTextCheck,
} from "./quick-check.ts";

/** The type of one field. */
export interface Field {
  /** Validates the value in a document. It converts nothing. */
  readonly schema: z.ZodType;
  /** Accepts most valid values without the schema. */
  readonly quickCheck: QuickCheck;
  /** True for a field that a replica gets only when its declaration names the field (P13). */
  readonly private: boolean;
  /** Value of a new entity whose client did not send the field. Missing: the field is required. */
  readonly initial?: unknown;
  /** Converts a column's value, as PostgreSQL's `to_jsonb` returns it, to the value in a document. */
  readonly fromColumn: (value: unknown) => unknown;
}

type FieldOptions = { initial?: unknown; private?: boolean };

const field = (
  schema: z.ZodType,
  quickCheck: QuickCheck,
  options: FieldOptions,
  fromColumn: (value: unknown) => unknown = (v) => v,
): Field => ({
  schema,
  quickCheck,
  private: options.private ?? false,
  ...("initial" in options ? { initial: options.initial } : {}),
  fromColumn,
});

/** True for a text that PostgreSQL can store. JSON can spell U+0000 and a lone surrogate; PostgreSQL rejects both. */
const isStorable = (value: string): boolean => !value.includes("\u0000") && value.isWellFormed();
const NOT_STORABLE = "must not contain U+0000 or a lone surrogate";

/**
 * Names the rules of a schema that its JSON Schema cannot express. The recorded declarations
 * (`contracts/entities/samples`) contain these names, so a changed rule needs a new name.
 */
const rules = (...names: readonly string[]) => ({ rules: names });

/** Text of `min` (default 0) to `max` characters that matches `pattern` when there is one. */
export const text = (options: FieldOptions & { min?: number; max: number; pattern?: RegExp }): Field =>
  field(
    z
      .string()
      .min(options.min ?? 0)
      .max(options.max)
      .regex(options.pattern ?? /^/)
      .refine(isStorable, NOT_STORABLE)
      .meta(rules("storable")),
    quickTextCheck(options.min ?? 0, options.max, options.pattern),
    options,
  );

/**
 * A decimal number from 0 to below 10^10, as a string with exactly `scale` decimals. A string, because a binary
 * floating point number cannot hold an amount of money exactly.
 */
export const decimal = (options: FieldOptions & { scale: number }): Field => {
  const pattern = new RegExp(`^(0|[1-9]\\d{0,9})\\.\\d{${options.scale}}$`);
  return field(
    z.string().regex(pattern, { error: `must be a string like "${(19.9).toFixed(options.scale)}"` }),
    quickPatternCheck(pattern),
    options,
    // numeric(12, scale) has at most 12 digits. A double holds 15, so toFixed() prints the same digits again.
    (value) => (typeof value === "number" ? value.toFixed(options.scale) : value),
  );
};

/** An integer from `min` to `max`. */
export const integer = (options: FieldOptions & { min: number; max: number }): Field =>
  field(z.int().min(options.min).max(options.max), quickIntegerCheck(options.min, options.max), options);

/** True or false. */
export const boolean = (options: FieldOptions = {}): Field =>
  field(z.boolean(), (value) => typeof value === "boolean", options);

/** One of a closed list of words. */
export const oneOf = (values: readonly [string, ...string[]], options: FieldOptions = {}): Field =>
  field(z.enum(values), (value) => values.includes(value as string), options);

/** A list of up to `maxItems` different texts of 1 to `maxLength` characters each. */
export const texts = (options: FieldOptions & { maxItems: number; maxLength: number }): Field =>
  field(
    z
      .array(z.string().min(1).max(options.maxLength).refine(isStorable, NOT_STORABLE).meta(rules("storable")))
      .max(options.maxItems)
      .refine((list) => new Set(list).size === list.length, "must not contain a value twice")
      .meta(rules("no value twice")),
    quickListCheck(options.maxItems, quickTextCheck(1, options.maxLength)),
    options,
  );

const IN_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/;

/** ISO 8601 in UTC with milliseconds, whatever the time zone of the session that read the row. */
const timestamp = field(z.iso.datetime(), quickPatternCheck(z.regexes.datetime({})), {}, (value) => {
  if (typeof value !== "string") return value;
  if (IN_UTC.test(value)) return `${value.slice(0, 23)}Z`; // Nearly all values. Parsing would take 10 times as long.
  return Number.isNaN(Date.parse(value)) ? value : new Date(value).toISOString();
});

/** The members that every document has beside its declared fields. The source sets them; a client cannot. */
export const systemFields = {
  // Plain SQL may insert any UUID, also one without an RFC 9562 version.
  id: field(z.guid(), quickPatternCheck(z.regexes.guid), {}),
  version: field(z.int().min(1), quickIntegerCheck(1, Number.MAX_SAFE_INTEGER), {}),
  createdAt: timestamp,
  updatedAt: timestamp,
} as const;
