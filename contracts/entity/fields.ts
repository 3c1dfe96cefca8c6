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
  /** Number of decimals of a {@link decimal}. Undefined for every other type. */
  readonly scale?: number;
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
 * (`samples/` of a project) contain these names, so a changed rule needs a new name.
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

/** PostgreSQL's limits of `numeric` (manual, section 8.1.2). */
const MAX_SCALE = 16_383;
const MAX_WHOLE_DIGITS = 131_072;

/**
 * A decimal number as a string with exactly `scale` decimals: `"19.90"`. A string, because a number of JSON loses
 * digits in most readers. The column is `numeric(precision, scale)`. NaN and infinity are not valid.
 *
 * @param options.scale decimals, 0 to 16,383.
 * @param options.precision digits in total, from `scale` to `scale` + 131,072. Default: `scale` + 10.
 * @param options.negative whether numbers below 0 are valid. Default: false.
 * @throws {Error} when scale or precision is out of range.
 */
export const decimal = (
  options: FieldOptions & { scale: number; precision?: number; negative?: boolean },
): Field & { readonly scale: number } => {
  const { scale, precision = scale + 10, negative = false } = options;
  const wholeDigits = precision - scale;
  const isInRange = (value: number, max: number) => Number.isInteger(value) && value >= 0 && value <= max;
  if (!isInRange(scale, MAX_SCALE) || !isInRange(wholeDigits, MAX_WHOLE_DIGITS))
    throw new Error(
      `decimal: scale ${scale} must be 0 to ${MAX_SCALE}, and precision ${precision} must be the scale ` +
        `plus 0 to ${MAX_WHOLE_DIGITS}`,
    );
  const sign = negative ? "(?!-[0.]*$)-?" : ""; // PostgreSQL has no negative zero
  const whole = wholeDigits === 0 ? "0" : `(0|[1-9]\\d{0,${wholeDigits - 1}})`;
  const pattern = new RegExp(`^${sign}${whole}${scale === 0 ? "" : `\\.\\d{${scale}}`}$`);
  const example = withScale(wholeDigits < 2 ? "0.9" : "19.9", scale);
  const error = ({ input }: { readonly input: unknown }) =>
    `must be ${scale > 20 ? `a string with ${scale} decimals` : `a string like "${scale === 0 ? "19" : example}"`}` +
    (NOT_FINITE.test(String(input)) ? "; NaN and infinity are not valid" : "");
  return {
    ...field(z.string().regex(pattern, { error }), quickPatternCheck(pattern), options, (value) =>
      decimalText(value, scale),
    ),
    scale,
  };
};

/** The numbers without digits of PostgreSQL's `numeric`, as `to_jsonb` spells them. */
const NOT_FINITE = /^(NaN|-?Infinity)$/;
const DIGITS = /^-?\d+(\.\d+)?$/;

/**
 * The text of a column's number. PostgreSQL's JSON omits no digit, and platform/postgres/parse-json.ts makes a number
 * of at most 15 digits or a text of it. More decimals than `scale` stay, and make the value invalid.
 */
function decimalText(value: unknown, scale: number): unknown {
  if (typeof value === "string") return DIGITS.test(value) ? withScale(value, scale) : value;
  if (typeof value !== "number" || !Number.isFinite(value)) return value;
  // String() has an exponent below 10^-6. Numbers as small as these have at most 14 decimals.
  return withScale(Math.abs(value) < 1e-6 ? value.toFixed(14) : String(value), scale);
}

/** Adds zeros up to `scale` decimals, and removes zeros beyond. @param digits without an exponent. */
function withScale(digits: string, scale: number): string {
  const point = digits.indexOf(".");
  if (point >= 0 && digits.length - point - 1 === scale && scale > 0) return digits;
  const whole = point < 0 ? digits : digits.slice(0, point);
  const fraction = point < 0 ? "" : digits.slice(point + 1).replace(/0+$/, "");
  const padded = fraction.padEnd(scale, "0");
  return padded === "" ? whole : `${whole}.${padded}`;
}

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
