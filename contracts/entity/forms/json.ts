/** `jsonb`: nested JSON with exact numbers. `json`: its text as it is, because PostgreSQL keeps it as a text. */
import { z } from "zod";
import { isJsonbValue, parseExact } from "../exact-json.ts";
import type { ValueForm } from "../field.ts";
import { rules } from "../rules.ts";
import { storable } from "./text.ts";

/**
 * A document's null is SQL's null where the column allows it: JSON's own null is then `{"lockstep.jsonNull": true}`. In
 * a column that is not null, null is JSON's.
 */
export const jsonbForm: ValueForm = {
  kind: "jsonb",
  schema: z
    .unknown()
    .refine((value) => value !== undefined, "is missing")
    .refine(isJsonbValue, "must be a JSON value; its texts must not contain U+0000 or a lone surrogate")
    .meta(rules("a JSON value")),
  fromColumn: (value) => value,
  fromText: parseExact,
};

export const jsonForm: ValueForm = {
  kind: "json",
  schema: z.string(),
  complete: (schema) => storable(schema),
  fromColumn: (value) => (typeof value === "string" ? value : JSON.stringify(value)),
};
