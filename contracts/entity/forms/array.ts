/** Arrays: lists of JSON. PostgreSQL's arrays have any number of dimensions, whatever their column declares. */
import { z } from "zod";
import { parseArrayText } from "../array-text.ts";
import type { ValueForm } from "../field.ts";
import { rules } from "../rules.ts";

/** The text of an array whose lower bounds are not 1: `[0:1]={1,2}`. A list of JSON cannot hold the bounds. */
const BOUNDS = /^(?:\[-?\d+:-?\d+\])+=\{.*\}$/s;

/** An array. @param dimensions as the column declares them. */
export function arrayForm(element: ValueForm, dimensions: number): ValueForm {
  const item = element.complete?.(element.schema) ?? element.schema;
  const list = listOf(item, dimensions);
  return {
    kind: "array",
    ruleSchema: list,
    schema: z.union([
      list,
      z
        .array(z.unknown())
        .refine((value) => isArrayOf(item, value), "must be an array of valid items, all lists of one level alike")
        .meta(rules("any number of dimensions")),
      z.string().regex(BOUNDS),
    ]),
    fromColumn: (value) =>
      mapItems(typeof value === "string" ? (parseArrayText(value) ?? value) : value, element.fromColumn),
    element,
  };
}

const listOf = (item: z.ZodType, dimensions: number): z.ZodArray =>
  z.array((dimensions > 1 ? listOf(item, dimensions - 1) : item).nullable());

const mapItems = (value: unknown, convert: (item: unknown) => unknown): unknown =>
  Array.isArray(value)
    ? value.map((item) => (item === null ? null : Array.isArray(item) ? mapItems(item, convert) : convert(item)))
    : value;

const isArrayOf = (item: z.ZodType, value: readonly unknown[]): boolean =>
  value.every((inner) =>
    Array.isArray(inner) ? isArrayOf(item, inner) : inner === null || item.safeParse(inner).success,
  );
