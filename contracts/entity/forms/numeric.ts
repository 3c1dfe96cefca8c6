/** `numeric`: a text, because a number of JSON loses digits in most readers. */
import { z } from "zod";
import { isRawNumber } from "../exact-json.ts";
import type { ValueForm } from "../field.ts";

/** The schema of a `numeric` column, as `rules` get it. */
export type NumericSchema = z.ZodString & {
  /** Excludes NaN and infinities. */
  finite(): z.ZodString;
  /** Excludes numbers below 0, NaN and infinities. */
  nonNegative(): z.ZodString;
};

interface Precision {
  /** Digits in total. */
  readonly precision: number;
  /** Decimals. PostgreSQL allows -1,000 to 1,000, and more decimals than digits. */
  readonly scale: number;
}

/**
 * `numeric(precision,scale)`: exactly `scale` decimals, for example `"19.90"`. Without a precision: the digits that
 * were stored, `"19.9"` or `"19.90"`.
 */
export function numericForm(declared?: Precision): ValueForm {
  const scale = declared && Math.max(declared.scale, 0);
  return {
    kind: "numeric",
    schema: numericSchema(declared, scale),
    fromColumn: scale === undefined ? digitsOf : (value) => scaledText(value, scale),
    ...(scale === undefined ? {} : { scale }),
  };
}

function numericSchema(declared: Precision | undefined, scale: number | undefined): NumericSchema {
  const whole = wholeDigits(declared ? declared.precision - declared.scale : MAX_WHOLE_DIGITS);
  const decimals = scale === undefined ? `(?:\\.\\d{1,${MAX_SCALE}})?` : scale === 0 ? "" : `\\.\\d{${scale}}`;
  const signed = `(?!-[0.]*$)-?${whole}${decimals}`; // PostgreSQL has no negative zero
  // PostgreSQL rejects infinities in numeric(precision,scale), and accepts NaN.
  const special = declared ? "NaN" : "NaN|-?Infinity";
  const isSmall = declared !== undefined && declared.precision - declared.scale < 2;
  const error = errorOf(scale, isSmall ? "0.9" : "19.9");
  const schema = (pattern: string) => z.string().regex(new RegExp(pattern), { error });
  return Object.assign(schema(`^(?:${signed}|${special})$`), {
    finite: () => schema(`^${signed}$`),
    nonNegative: () => schema(`^${whole}${decimals}$`),
  });
}

/** PostgreSQL's limits of `numeric` (manual, section 8.1.2). */
const MAX_SCALE = 16_383;
const MAX_WHOLE_DIGITS = 131_072;

const wholeDigits = (count: number): string => (count <= 0 ? "0" : `(0|[1-9]\\d{0,${count - 1}})`);

/** The numbers without digits, as PostgreSQL spells them. */
const NOT_FINITE = /^(NaN|-?Infinity)$/;

function errorOf(scale: number | undefined, number: string) {
  const example = scale === 0 ? "19" : scale === undefined ? number : withScale(number, scale);
  const form =
    scale !== undefined && scale > 20 ? `a string with ${scale} decimals` : `a string like ${JSON.stringify(example)}`;
  return ({ input }: { readonly input: unknown }) =>
    `must be ${form}${NOT_FINITE.test(String(input)) ? "; NaN and infinity are not valid" : ""}`;
}

/** The digits of a number as PostgreSQL stores them. Numbers of JavaScript arrive here only where they are exact. */
function digitsOf(value: unknown): unknown {
  if (isRawNumber(value)) return value.rawJSON;
  return typeof value === "number" ? plainDigits(value) : value;
}

const DIGITS = /^-?\d+(\.\d+)?$/;

/**
 * The text of a column's number. PostgreSQL's JSON omits no digit, and parsing makes a number of at most 15 digits, a
 * raw number or a text of it. More decimals than `scale` stay, and make the value invalid.
 */
function scaledText(value: unknown, scale: number): unknown {
  if (typeof value === "number") return Number.isFinite(value) ? withScale(plainDigits(value), scale) : value;
  const digits = isRawNumber(value) ? value.rawJSON : value;
  return typeof digits === "string" && DIGITS.test(digits) ? withScale(digits, scale) : digits;
}

/** String() has an exponent below 10^-6. Numbers as small as these have at most 14 decimals. */
const plainDigits = (value: number): string =>
  Math.abs(value) < 1e-6 && value !== 0 ? value.toFixed(14).replace(/0+$/, "") : String(value);

/** Adds zeros up to `scale` decimals, and removes zeros beyond. @param digits without an exponent. */
function withScale(digits: string, scale: number): string {
  const point = digits.indexOf(".");
  if (point >= 0 && digits.length - point - 1 === scale && scale > 0) return digits;
  const whole = point < 0 ? digits : digits.slice(0, point);
  const fraction = point < 0 ? "" : digits.slice(point + 1).replace(/0+$/, "");
  const padded = fraction.padEnd(scale, "0");
  return padded === "" ? whole : `${whole}.${padded}`;
}
