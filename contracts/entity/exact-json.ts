/**
 * JSON without a loss of digits. A number of JavaScript has 15 digits and no trailing zeros; a number of `jsonb` has
 * any number of both. Numbers that JavaScript would change become `JSON.rawJSON` objects, which `JSON.stringify` writes
 * as they were (ECMAScript 2026).
 */

/** A number as its text spells it. */
export interface RawNumber {
  readonly rawJSON: string;
}

const json = JSON as typeof JSON & {
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
};

/** True for a number that {@link parseExact} kept as its text. */
export const isRawNumber = (value: unknown): value is RawNumber => json.isRawJSON(value);

/** Makes the object that `JSON.stringify` writes as these digits. */
export const rawNumber = (digits: string): RawNumber => json.rawJSON(digits);

/**
 * Finds a text that may have a number which JavaScript would change: of 16 or more digits, with a zero at the end of
 * its decimals, with an exponent, or a negative zero. Inside a text of JSON it also finds things that look like one.
 */
const INEXACT = /(?:"\s*:|[,[])\s*(?:-?(?:\d+\.\d*0(?!\d)|[\d.]{16}|[\d.]+[eE])|-0(?![\d.]))/;

/**
 * Parses JSON and keeps every digit.
 *
 * @throws {SyntaxError} for a text that is not JSON.
 */
export const parseExact = (text: string): unknown =>
  INEXACT.test(text) || !/^\s*[[{]/.test(text)
    ? JSON.parse(text, reviveExact as (key: string, value: unknown) => unknown)
    : JSON.parse(text);

/** Digits that may be too many for a number of JavaScript. Any shorter text of digits is exact as a number. */
const LONG_NUMBER = /[\d.]{16}/;

/**
 * Parses JSON and keeps the digits of numbers with 16 or more. Zeros at the end of shorter numbers may be lost.
 *
 * @throws {SyntaxError} for a text that is not JSON.
 */
export const parseLongNumbers = (text: string): unknown =>
  LONG_NUMBER.test(text) ? JSON.parse(text, reviveExact as (key: string, value: unknown) => unknown) : JSON.parse(text);

/** @param context the number as the text spells it. */
function reviveExact(_key: string, value: unknown, { source }: { readonly source?: string }): unknown {
  if (typeof value !== "number" || source === undefined || String(value) === source) return value;
  return rawNumber(source);
}

/** Replaces raw numbers by numbers of JavaScript, also in lists. Objects stay as they are. */
export function toPlainNumbers(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (isRawNumber(value)) return Number(value.rawJSON);
  return Array.isArray(value) ? value.map(toPlainNumbers) : value;
}

/**
 * True for a value that JSON has and PostgreSQL's `jsonb` stores: no text in it has U+0000 or a lone surrogate. It
 * walks without recursion, since `jsonb` may be nested deeper than a stack.
 */
export function isJsonbValue(value: unknown): boolean {
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next === "string") {
      if (!isStorable(next)) return false;
    } else if (typeof next === "number") {
      if (!Number.isFinite(next)) return false;
    } else if (Array.isArray(next)) for (const item of next) pending.push(item);
    else if (typeof next === "object" && next !== null) {
      if (isRawNumber(next)) continue;
      for (const [member, inner] of Object.entries(next)) pending.push(member, inner);
    } else if (next !== null && typeof next !== "boolean") return false;
  }
  return true;
}

/** True for a text that PostgreSQL can store. JSON can spell U+0000 and a lone surrogate; PostgreSQL rejects both. */
export const isStorable = (value: string): boolean => !value.includes("\u0000") && value.isWellFormed();
