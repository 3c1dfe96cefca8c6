/** Reads the JSON that PostgreSQL sends. PostgreSQL's numbers have any length; a number of JavaScript has 15 digits. */

/** Digits that may be too many for a number of JavaScript. Any shorter text of digits is exact as a number. */
const LONG_NUMBER = /[\d.]{16}/;

/**
 * Parses JSON without a loss of digits: a number that JavaScript would round becomes a text of its digits.
 *
 * @throws {SyntaxError} for a text that is not JSON.
 */
export const parseJson = (text: string): unknown =>
  LONG_NUMBER.test(text)
    ? JSON.parse(text, reviveNumber as (key: string, value: unknown) => unknown)
    : JSON.parse(text);

/** @param context the number as the text spells it (ECMAScript 2026, `JSON.parse` source text access). */
function reviveNumber(_key: string, value: unknown, { source = "" }: { readonly source?: string }): unknown {
  if (typeof value !== "number" || source.length < 16) return value;
  return String(value) === withoutTrailingZeros(source) ? value : source;
}

/** `1.50` → `1.5`, `1.00` → `1`. Takes a number in PostgreSQL's notation, which has no exponent. */
const withoutTrailingZeros = (digits: string): string => (digits.includes(".") ? digits.replace(/\.?0+$/, "") : digits);
