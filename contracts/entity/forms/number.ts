/** Types whose document value is a number, or a text where a number of JavaScript is not exact. */
import { z } from "zod";
import { isRawNumber } from "../exact-json.ts";
import type { ValueForm } from "../field.ts";

const toNumber = (value: unknown): unknown => {
  if (isRawNumber(value)) return Number(value.rawJSON);
  return typeof value === "string" && value.trim() !== "" ? Number(value) : value;
};

/** The digits of a number that JavaScript cannot hold stay a text. */
const toInteger = (value: unknown): unknown => {
  // A parser keeps a larger number that it has not changed, such as 9007199254741084.
  if (typeof value === "number") return Number.isInteger(value) && !Number.isSafeInteger(value) ? String(value) : value;
  const digits = isRawNumber(value) ? value.rawJSON : value;
  const number = typeof digits === "string" && INTEGER.test(digits) ? Number(digits) : Number.NaN;
  return Number.isSafeInteger(number) ? number : digits;
};
const INTEGER = /^-?\d+$/;

/** `smallint`, `integer`. */
export const integerForm = (bits: 16 | 32): ValueForm => ({
  kind: "number",
  schema: z
    .int()
    .min(-(2 ** (bits - 1)))
    .max(2 ** (bits - 1) - 1),
  fromColumn: toInteger,
});

/** `bigint` whose values JavaScript can hold: `bigint({ mode: "number" })`. */
export const safeBigintForm: ValueForm = {
  kind: "number",
  schema: z.int({
    error: ({ input }) =>
      typeof input === "string" && isLargeBigint(input)
        ? 'must be at most 9007199254740991 in amount; declare the column with bigint({ mode: "bigint" }) for larger values'
        : undefined,
  }),
  fromColumn: toInteger,
};

const [MIN_BIGINT, MAX_BIGINT] = [-(2n ** 63n), 2n ** 63n - 1n];

/** True for the canonical digits of a `bigint` that is not a safe integer of JavaScript. */
function isLargeBigint(digits: string): boolean {
  if (!/^-?[1-9]\d{15,18}$/.test(digits)) return false;
  const value = BigInt(digits);
  return value >= MIN_BIGINT && value <= MAX_BIGINT && !Number.isSafeInteger(Number(digits));
}

/** `bigint` of any value: a number up to 9007199254740991 in amount, a text of digits beyond. */
export const bigintForm: ValueForm = {
  kind: "bigint",
  schema: z.union([
    z.int(),
    z
      .string()
      .regex(/^-?[1-9]\d{15,18}$/)
      .refine(isLargeBigint, "must be a number, or a text of digits when it is above 9007199254740991 in amount")
      .meta({ rules: ["bigint beyond 2^53-1"] }),
  ]),
  fromColumn: toInteger,
};

/** The values of a float that a number of JSON cannot be. */
const NO_NUMBER = ["NaN", "Infinity", "-Infinity", "-0"] as const;

/** `real` and `double precision`. @param limit largest amount. */
export const floatForm = (limit: number): ValueForm => ({
  kind: "float",
  schema: z.union([z.number().min(-limit).max(limit), z.enum(NO_NUMBER)]),
  fromColumn: (value) => {
    if (Object.is(value, -0)) return "-0";
    if (NO_NUMBER.includes(value as (typeof NO_NUMBER)[number])) return value;
    return toNumber(value);
  },
});

/** `boolean`. Its text is `true` or `t`. */
export const booleanForm: ValueForm = {
  kind: "boolean",
  schema: z.boolean(),
  fromColumn: (value) =>
    typeof value === "string" && /^(t|true|f|false)$/.test(value) ? value.startsWith("t") : value,
};
