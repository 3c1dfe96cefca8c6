/** What the values of a PostgreSQL type are, and random texts for them. */
import type { Random } from "../../../chaos/random.ts";

/** How a document shows a value: `text` is a JSON string with PostgreSQL's text. */
export type Form = "text" | "number" | "int8" | "float" | "boolean" | "jsonb" | "milliseconds" | "iso";

export interface ValueType {
  /** Name for tables and entities: letters, digits and underscores. */
  readonly name: string;
  /** The type as PostgreSQL's `format_type` prints it, or shorter: `numeric(12,2)`, `value_mood[]`. */
  readonly type: string;
  /** SQL that creates the type. */
  readonly setup?: string;
  readonly form: Form;
  /** Arrays show their elements in `form`, nested like their dimensions. */
  readonly isArray?: boolean;
  /** Input texts with everything that is easily damaged. */
  readonly edges: readonly string[];
  /** An input text. */
  readonly random: (random: Random) => string;
}

const CHARACTERS = [
  ..."abcXYZ019 _-+.,:;'\"\\/%$&<>{}[]()|~^`\t\n\r\u0001\u007f",
  "é",
  "ß",
  "\u00a0",
  "漢",
  "\u2028",
  "\ufeff",
];
const ASTRAL = ["😀", "𝔘", "👩‍👩‍👧", "\u{10ffff}", "e\u0301"];

/** A text with any characters, so also quotes, backslashes and characters outside the basic plane. */
export function anyText(random: Random, max = 30): string {
  const length = random.int(0, max);
  return Array.from({ length }, () => random.pick(random.chance(0.1) ? ASTRAL : CHARACTERS)).join("");
}

/** Letters and digits. */
export const word = (random: Random, max = 12): string =>
  Array.from({ length: random.int(1, max) }, () => random.pick([..."abcdefghijklmnopqrstuvwxyz0123456789"])).join("");

export const digits = (random: Random, length: number): string =>
  Array.from({ length }, () => random.int(0, 9)).join("");

const two = (n: number): string => String(n).padStart(2, "0");

export const anyDate = (random: Random): string => {
  const year = random.chance(0.1) ? random.int(1, 294_000) : random.int(1900, 2100);
  return `${String(year).padStart(4, "0")}-${two(random.int(1, 12))}-${two(random.int(1, 28))}`;
};
export const anyTime = (random: Random, precision = 6): string =>
  `${two(random.int(0, 23))}:${two(random.int(0, 59))}:${two(random.int(0, 59))}${precision ? `.${digits(random, precision)}` : ""}`;
export const anyZone = (random: Random): string => random.pick(["+00", "-03", "+05:45", "+14", "-12:30", "Z"]);
export const maybeBc = (random: Random): string => (random.chance(0.05) ? " BC" : "");

/** A number with up to `before` and `after` digits. */
export const anyNumber = (random: Random, before: number, after: number): string => {
  const fraction = after > 0 ? `.${digits(random, random.int(1, after))}` : "";
  return `${random.chance(0.5) ? "-" : ""}${digits(random, random.int(1, before))}${fraction}`;
};

export const anyFloat = (random: Random, maxExponent: number): string =>
  random.chance(0.1)
    ? random.pick(["NaN", "Infinity", "-Infinity", "-0", "0"])
    : `${anyNumber(random, 1, 17)}e${random.int(-maxExponent, maxExponent)}`;

/** A part of an array, a composite or a range in double quotes. */
export const quoted = (text: string): string => `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"')}"`;

/** An element of an array, or null. */
const element = (random: Random, one: (random: Random) => string): string =>
  random.chance(0.15) ? "NULL" : quoted(one(random));

/** An array literal: empty, of one to three dimensions, or with other lower bounds than 1. */
export function anyArray(random: Random, one: (random: Random) => string): string {
  const kind = random.int(0, 9);
  if (kind === 0) return "{}";
  const nest = (depth: number[]): string => {
    const [length = 0, ...rest] = depth;
    return `{${Array.from({ length }, () => (rest.length > 0 ? nest(rest) : element(random, one))).join(",")}}`;
  };
  if (kind === 1)
    return (
      `[${random.int(-3, 0)}:1]=`.replace(/\[(-?\d+):1\]=/, (_, low) => `[${low}:${Number(low) + 1}]=`) + nest([2])
    );
  if (kind <= 3) return nest([random.int(1, 3), random.int(1, 3)]);
  if (kind === 4) return nest([2, 1, random.int(1, 2)]);
  return nest([random.int(1, 6)]);
}

/** A range literal over values that `bound` makes in order of their argument. */
export function anyRange(random: Random, bound: (random: Random, isUpper: boolean) => string): string {
  if (random.chance(0.08)) return "empty";
  const side = (isUpper: boolean) => (random.chance(0.15) ? "" : quoted(bound(random, isUpper)));
  return `${random.pick(["[", "("])}${side(false)},${side(true)}${random.pick(["]", ")"])}`;
}
