/**
 * Quick checks of values beside the schemas, for events: most fit, and a schema takes twenty times as long to say so. What such a check
 * holds for, the schema takes; where it does not hold the schema decides, and says what is wrong.
 */

/** True only for what the schema surely takes. */
export type Fits = (value: unknown) => boolean;

/** What schemas count or refuse in their own way: U+0000 and surrogates, paired or not. */
const ODD = /[\0\ud800-\udfff]/;

/** `min` to `max` characters, all of one UTF-16 unit, that match the pattern. */
export const fitsText = (min: number, max: number, pattern = /^/): Fits => {
  const fits = fitsPattern(pattern);
  return (value) =>
    typeof value === "string" && value.length >= min && value.length <= max && !ODD.test(value) && fits(value);
};

/** @param pattern without the flags g and y, which would make it remember where it was. */
export const fitsPattern =
  (pattern: RegExp): Fits =>
  (value) =>
    typeof value === "string" && pattern.test(value);

/** A whole number that a double holds exactly, `min` and `max` included. */
export const fitsInteger =
  (min: number, max: number): Fits =>
  (value) =>
    Number.isSafeInteger(value) && (value as number) >= min && (value as number) <= max;

/** Up to `maxItems`, each once. */
export const fitsList = (maxItems: number, fits: Fits): Fits => {
  return (value) =>
    Array.isArray(value) &&
    value.length <= maxItems &&
    value.every((item, i) => fits(item) && value.indexOf(item) === i);
};

/** An object with exactly these members. */
export function fitsObject(shape: Readonly<Record<string, { readonly fits: Fits }>>): Fits {
  const members = Object.entries(shape).map(([member, { fits }]) => [member, fits] as const);
  return (value) => {
    if (typeof value !== "object" || value === null || Object.keys(value).length !== members.length) return false;
    for (const [member, fits] of members) if (!fits((value as Record<string, unknown>)[member])) return false;
    return true;
  };
}
