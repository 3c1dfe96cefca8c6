/** Arrays: lists of JSON. PostgreSQL's arrays have any number of dimensions, whatever their column declares. */
import { z } from "zod";
import { type ArrayText, parseArrayText } from "../array-text.ts";
import type { ValueForm } from "../field.ts";
import { rules } from "../rules.ts";

/** The text of an array whose lower bounds are not 1: `[0:1]={1,2}`. A list of JSON cannot hold the bounds. */
const BOUNDS = /^(?:\[-?\d+:-?\d+\])+=\{.*\}$/s;
/** The text of an array of JSON: its elements may look like other dimensions, or like SQL's null. */
const ANY_TEXT = /^(?:(?:\[-?\d+:-?\d+\])+=)?\{.*\}$/s;

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
      z.string().regex(element.kind === "jsonb" ? ANY_TEXT : BOUNDS),
    ]),
    fromColumn: (value) => (typeof value === "string" ? fromText(value, element) : mapItems(value, element.fromColumn)),
    element,
  };
}

/** Parses PostgreSQL's text of an array. A text that a list of JSON cannot show stays a text. */
function fromText(text: string, element: ValueForm): unknown {
  const parsed = parseArrayText(text);
  if (!parsed) return text;
  const items = mapItems(parsed, (element.fromText ?? element.fromColumn) as (item: unknown) => unknown);
  return element.kind === "jsonb" && hasAmbiguousItem(parsed, items) ? text : items;
}

/** An element of type jsonb that is a list looks like another dimension, and JSON's null like SQL's. */
const hasAmbiguousItem = (texts: ArrayText, items: unknown): boolean =>
  texts.some((text, i) => {
    const item = (items as readonly unknown[])[i];
    return Array.isArray(text) ? hasAmbiguousItem(text, item) : text !== null && (item === null || Array.isArray(item));
  });

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
