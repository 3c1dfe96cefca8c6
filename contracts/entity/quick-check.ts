/**
 * Quick checks of documents. A value that passes is valid by its schema, which takes 20 times as long. For a value that
 * fails, the schema decides.
 */
import type { z } from "zod";
import { isStorable } from "./exact-json.ts";

/** Returns true only for a value that the schema accepts. After false, the schema decides. */
export type QuickCheck = (value: unknown) => boolean;

/** U+0000 and surrogates. Schemas reject the first and count the second in their own way. */
const SPECIAL = /[\0\ud800-\udfff]/;

const never: QuickCheck = () => false;

/**
 * Makes the quick check of a schema. A part of the schema that has no quick form makes the check fail, which is safe.
 */
export function quickCheckOf(schema: z.ZodType): QuickCheck {
  const def = schema._zod.def as unknown as Definition;
  const checks = checksOf(def);
  if (!checks) return never;
  const all = [typeCheckOf(def), ...checks];
  if (all.length === 1) return all[0]!;
  return (value) => {
    for (const check of all) if (!check(value)) return false;
    return true;
  };
}

/** What is read of a schema's definition. */
interface Definition {
  readonly type: string;
  readonly checks?: readonly { readonly _zod: { readonly def: CheckDefinition } }[];
  readonly check?: string;
  readonly entries?: Readonly<Record<string, unknown>>;
  readonly innerType?: z.ZodType;
  readonly element?: z.ZodType;
  readonly options?: readonly z.ZodType[];
  readonly coerce?: boolean;
}

interface CheckDefinition {
  readonly check: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly length?: number;
  readonly value?: number;
  readonly inclusive?: boolean;
  readonly pattern?: RegExp;
  readonly format?: string;
  readonly fn?: (value: unknown) => unknown;
}

/** Check of the type alone, without what was chained to it. */
function typeCheckOf(def: Definition): QuickCheck {
  if (def.coerce) return never;
  switch (def.type) {
    case "string":
      return (value) => typeof value === "string" && !SPECIAL.test(value);
    case "number":
      return Number.isFinite;
    case "boolean":
      return (value) => typeof value === "boolean";
    case "unknown":
      return () => true;
    case "enum": {
      const values = new Set<unknown>(Object.values(def.entries!));
      return (value) => values.has(value);
    }
    case "nullable": {
      const inner = quickCheckOf(def.innerType!);
      return (value) => value === null || inner(value);
    }
    case "array":
      return quickListCheck(quickCheckOf(def.element!));
    case "union": {
      const options = def.options!.map(quickCheckOf);
      return (value) => options.some((option) => option(value));
    }
    default:
      return never;
  }
}

/** @returns undefined when a check has no quick form. */
function checksOf(def: Definition): QuickCheck[] | undefined {
  const own = def.check ? [def as unknown as CheckDefinition] : [];
  const given = [...own, ...(def.checks ?? []).map((check) => check._zod.def)];
  // The check of the type has found U+0000 and surrogates already.
  const checks = given.filter(({ fn }) => fn !== isStorable).map(quickFormOf);
  return checks.includes(undefined) ? undefined : (checks as QuickCheck[]);
}

type Sized = { readonly length: number };

function quickFormOf({
  check,
  minimum = 0,
  maximum = 0,
  value: bound = 0,
  ...def
}: CheckDefinition): QuickCheck | undefined {
  switch (check) {
    case "min_length":
      return (value) => (value as Sized).length >= minimum;
    case "max_length":
      return (value) => (value as Sized).length <= maximum;
    case "length_equals":
      return (value) => (value as Sized).length === def.length;
    case "greater_than":
      return (value) => (value as number) > bound || (def.inclusive === true && value === bound);
    case "less_than":
      return (value) => (value as number) < bound || (def.inclusive === true && value === bound);
    case "number_format":
      return def.format === "safeint" ? Number.isSafeInteger : undefined;
    case "string_format":
      return def.pattern && quickPatternCheck(def.pattern);
    case "custom":
      return def.fn && ((value) => def.fn!(value) === true);
    default:
      return undefined;
  }
}

/**
 * A text that matches the pattern. A pattern with the flag g or y keeps a position between calls, so it has no quick
 * form.
 */
const quickPatternCheck = (pattern: RegExp): QuickCheck | undefined =>
  pattern.global || pattern.sticky ? undefined : (value) => pattern.test(value as string);

/** A list of items that pass `itemCheck`. */
export const quickListCheck =
  (itemCheck: QuickCheck): QuickCheck =>
  (value) =>
    Array.isArray(value) && value.every(itemCheck);

/** An object that has exactly the members of `shape`, each of which passes its own check. */
export function quickObjectCheck(shape: Readonly<Record<string, { readonly quickCheck: QuickCheck }>>): QuickCheck {
  const members = Object.entries(shape).map(([member, { quickCheck }]) => [member, quickCheck] as const);
  return (value) => {
    if (typeof value !== "object" || value === null || Object.keys(value).length !== members.length) return false;
    for (const [member, check] of members) if (!check((value as Record<string, unknown>)[member])) return false;
    return true;
  };
}
