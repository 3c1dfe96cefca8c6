/** Rules of schemas that JSON Schema cannot express, and rules that a declaration adds to a column's type. */
import { z } from "zod";

/**
 * Names the rules of a schema that its JSON Schema cannot express. The recorded declarations contain these names, so a
 * changed rule needs a new name.
 */
export const rules = (...names: readonly string[]): { readonly rules: readonly string[] } => ({ rules: names });

/** The names that a schema has by {@link rules}. */
export const rulesOf = (schema: z.ZodType): readonly string[] =>
  (schema.meta() as { readonly rules?: readonly string[] } | undefined)?.rules ?? [];

/** A list whose values are all different. */
export const distinct = <Items extends z.ZodArray>(list: Items): Items =>
  list
    .refine((values) => new Set(values).size === values.length, "must not contain a value twice")
    .meta(rules(...rulesOf(list), "no value twice")) as Items;

/**
 * Adds a rule to the items of an array. The items are then never null, and the array has one dimension.
 *
 * @example tags: (list) => items(list, (tag) => tag.min(1).max(50)).max(20)
 */
export const items = <Item extends z.ZodType, Ruled extends z.ZodType>(
  list: z.ZodArray<z.ZodNullable<Item>>,
  rule: (item: Item) => Ruled,
): z.ZodArray<Ruled> => z.array(rule(list.element.unwrap()));
