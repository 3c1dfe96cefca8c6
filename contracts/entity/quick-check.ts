/**
 * Quick checks of events. A value that passes is valid by its schema, which takes 20 times as long. For a value that
 * fails, the schema decides.
 */

/** Returns true only for a value that the schema accepts. After false, the schema decides. */
export type QuickCheck = (value: unknown) => boolean;

/** U+0000 and surrogates. Schemas reject the first and count the second in their own way. */
const SPECIAL = /[\0\ud800-\udfff]/;

/** A text of `min` to `max` UTF-16 units that matches the pattern. Texts with surrogates are left to the schema. */
export const quickTextCheck = (min: number, max: number, pattern = /^/): QuickCheck => {
  const matches = quickPatternCheck(pattern);
  return (value) =>
    typeof value === "string" && value.length >= min && value.length <= max && !SPECIAL.test(value) && matches(value);
};

/** A text that matches the pattern. @param pattern without the flags g and y: they keep a position between calls. */
export const quickPatternCheck =
  (pattern: RegExp): QuickCheck =>
  (value) =>
    typeof value === "string" && pattern.test(value);

/** A safe integer from `min` to `max`. */
export const quickIntegerCheck =
  (min: number, max: number): QuickCheck =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;

/** A list of up to `maxItems` different items that pass `itemCheck`. */
export const quickListCheck =
  (maxItems: number, itemCheck: QuickCheck): QuickCheck =>
  (value) =>
    Array.isArray(value) &&
    value.length <= maxItems &&
    value.every((item, i) => itemCheck(item) && value.indexOf(item) === i);

/** An object that has exactly the members of `shape`, each of which passes its own check. */
export function quickObjectCheck(shape: Readonly<Record<string, { readonly quickCheck: QuickCheck }>>): QuickCheck {
  const members = Object.entries(shape).map(([member, { quickCheck }]) => [member, quickCheck] as const);
  return (value) => {
    if (typeof value !== "object" || value === null || Object.keys(value).length !== members.length) return false;
    for (const [member, check] of members) if (!check((value as Record<string, unknown>)[member])) return false;
    return true;
  };
}
