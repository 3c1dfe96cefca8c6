/** Members that a replica computes from the source's document. */

import { getTableColumns } from "drizzle-orm";
import {
  bigint,
  boolean,
  integer,
  jsonb,
  numeric,
  type PgColumn,
  type PgColumnBuilderBase,
  pgTable,
  text,
  timestamp,
} from "drizzle-orm/pg-core";
import { fieldOf } from "./column-field.ts";
import type { Field } from "./field.ts";
import type { JsonValue } from "./infer.ts";

/** A computed member: its column in the replica, and its value. */
export interface DerivedField<Document, Value> {
  readonly column: PgColumnBuilderBase;
  /** A pure function of the source's document, so that a replay has the same result. */
  readonly from: (document: Document) => Value;
}

/** Fields that are computed, by their type. The column is not null; {@link field.column} declares any other. */
export const field = {
  /** True or false. */
  boolean: <D>(from: (document: D) => boolean): DerivedField<D, boolean> => ({ column: boolean().notNull(), from }),
  /** A text. */
  text: <D>(from: (document: D) => string): DerivedField<D, string> => ({ column: text().notNull(), from }),
  /** A number of type `integer`. */
  integer: <D>(from: (document: D) => number): DerivedField<D, number> => ({ column: integer().notNull(), from }),
  /** A number of type `bigint`, at most 2^53 - 1 in amount. */
  bigint: <D>(from: (document: D) => number): DerivedField<D, number> => ({
    column: bigint({ mode: "number" }).notNull(),
    from,
  }),
  /** A decimal number as a text with exactly `scale` decimals. */
  numeric: <D>(precision: number, scale: number, from: (document: D) => string): DerivedField<D, string> => ({
    column: numeric({ precision, scale }).notNull(),
    from,
  }),
  /** ISO 8601 in UTC with milliseconds. */
  timestamp: <D>(from: (document: D) => string): DerivedField<D, string> => ({
    column: timestamp({ precision: 3, withTimezone: true, mode: "string" }).notNull(),
    from,
  }),
  /** Any value of JSON. */
  jsonb: <D>(from: (document: D) => JsonValue): DerivedField<D, JsonValue> => ({ column: jsonb().notNull(), from }),
  /**
   * Any column: `field.column(varchar({ length: 3 }), (p) => …)`. It allows null unless it is declared with
   * `notNull()`.
   */
  column: <D, Value>(column: PgColumnBuilderBase, from: (document: D) => Value): DerivedField<D, Value> => ({
    column,
    from,
  }),
} as const;

/** The field of a computed member. A column without a name of its own is named after it: `inStock` → `in_stock`. */
export function derivedColumn(member: string, builder: PgColumnBuilderBase): Field {
  const columns = getTableColumns(pgTable("derived", { [member]: builder })) as Record<string, PgColumn>;
  const column = columns[member]!;
  const name = column.keyAsName ? member.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) : column.name;
  return fieldOf(column, { column: name });
}
