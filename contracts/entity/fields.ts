/** Field types: how a value is validated in a document and read from a column. */
import { z } from "zod";
import { type Fits, fitsInteger, fitsList, fitsPattern, fitsText } from "./fits.ts";

/** One field of an entity: how it is validated in a document, and how it is read from a column. */
export interface Field {
  /** Validates the document's value; nothing is coerced. */
  readonly schema: z.ZodType;
  /** The same judgement where it is quick to make: what it holds for, the schema takes. */
  readonly fits: Fits;
  /** True for fields that no replica may ever see unless it names them. */
  readonly private: boolean;
  /** Value of a new entity that does not say. Undefined: the field is required. */
  readonly initial?: unknown;
  /** The value in a document for a column's value, as PostgreSQL's `to_jsonb` gives it. */
  readonly fromColumn: (value: unknown) => unknown;
}

type FieldOptions = { initial?: unknown; private?: boolean };

const field = (
  schema: z.ZodType,
  fits: Fits,
  options: FieldOptions,
  fromColumn: (value: unknown) => unknown = (v) => v,
): Field => ({
  schema,
  fits,
  private: options.private ?? false,
  ...("initial" in options ? { initial: options.initial } : {}),
  fromColumn,
});

/** What PostgreSQL can store as text: it has no U+0000, and UTF-8 has no half of a surrogate pair, which JSON can spell. */
const isStorable = (value: string): boolean => !value.includes("\u0000") && value.isWellFormed();
const UNSTORABLE = "must not contain U+0000 or half of a surrogate pair";

/** Names the rules of a schema that its JSON Schema cannot show, for the recorded declaration: a change of a rule is a new name. */
const rules = (...names: readonly string[]) => ({ rules: names });

/** Text of `min` to `max` characters, of a given pattern if there is one. */
export const text = (options: FieldOptions & { min?: number; max: number; pattern?: RegExp }): Field =>
  field(
    z
      .string()
      .min(options.min ?? 0)
      .max(options.max)
      .regex(options.pattern ?? /^/)
      .refine(isStorable, UNSTORABLE)
      .meta(rules("storable")),
    fitsText(options.min ?? 0, options.max, options.pattern),
    options,
  );

/** A decimal number as a string with exactly `scale` decimals, 0 or greater, below 10^10: money must not pass through binary floats. */
export const decimal = (options: FieldOptions & { scale: number }): Field => {
  const pattern = new RegExp(`^(0|[1-9]\\d{0,9})\\.\\d{${options.scale}}$`);
  return field(
    z.string().regex(pattern, { error: `must be a string like "${(19.9).toFixed(options.scale)}"` }),
    fitsPattern(pattern),
    options,
    // numeric(12, scale) has at most 12 digits, which a double holds exactly enough to print them again.
    (value) => (typeof value === "number" ? value.toFixed(options.scale) : value),
  );
};

/** A whole number from `min` to `max`. */
export const integer = (options: FieldOptions & { min: number; max: number }): Field =>
  field(z.int().min(options.min).max(options.max), fitsInteger(options.min, options.max), options);

export const boolean = (options: FieldOptions = {}): Field =>
  field(z.boolean(), (value) => typeof value === "boolean", options);

/** One of a closed list of words. */
export const oneOf = (values: readonly [string, ...string[]], options: FieldOptions = {}): Field =>
  field(z.enum(values), (value) => values.includes(value as string), options);

/** A list of up to `maxItems` texts of 1 to `maxLength` characters, without duplicates. */
export const texts = (options: FieldOptions & { maxItems: number; maxLength: number }): Field =>
  field(
    z
      .array(z.string().min(1).max(options.maxLength).refine(isStorable, UNSTORABLE).meta(rules("storable")))
      .max(options.maxItems)
      .refine((list) => new Set(list).size === list.length, "must not name a value twice")
      .meta(rules("no value twice")),
    fitsList(options.maxItems, fitsText(1, options.maxLength)),
    options,
  );

const IN_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00$/;

/** ISO 8601 in UTC with milliseconds, whatever the session's time zone made of it. */
const timestamp = field(z.iso.datetime(), fitsPattern(z.regexes.datetime({})), {}, (value) => {
  if (typeof value !== "string") return value;
  if (IN_UTC.test(value)) return `${value.slice(0, 23)}Z`; // nearly all; reading and writing it would take ten times as long
  return Number.isNaN(Date.parse(value)) ? value : new Date(value).toISOString();
});

/** The members that every document has beside its declared fields. A client never writes them. */
export const systemFields = {
  // Any UUID that PostgreSQL takes, also one of no RFC 9562 version: plain SQL may bring it.
  id: field(z.guid(), fitsPattern(z.regexes.guid), {}),
  version: field(z.int().min(1), fitsInteger(1, Number.MAX_SAFE_INTEGER), {}),
  createdAt: timestamp,
  updatedAt: timestamp,
} as const;
