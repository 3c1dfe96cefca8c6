/** Declares the table of each type of values (values/), as `lockstep adopt` would. */
import type { PgColumnBuilderBase } from "drizzle-orm/pg-core";
import * as columns from "../../contracts/entity/columns.ts";
import { defineEntity } from "../../contracts/entity/define-entity.ts";
import { type ValueType, valueTable } from "./values/values.ts";

const { pgDomain, pgEnum, pgTable, pgType } = columns;
const mood = pgEnum("value_mood", ["sad", "so so", 'very, very "happy"', "it's", "ünï😀", ""]);

/** Columns of Drizzle, by type. All other types are declared by their name. */
const native: Readonly<Record<string, () => PgColumnBuilderBase & { array(): PgColumnBuilderBase }>> = {
  text: () => columns.text(),
  "character varying": () => columns.varchar(),
  "character varying(10)": () => columns.varchar({ length: 10 }),
  "character(5)": () => columns.char({ length: 5 }),
  smallint: () => columns.smallint(),
  integer: () => columns.integer(),
  bigint: () => columns.bigint({ mode: "bigint" }),
  numeric: () => columns.numeric(),
  "numeric(12,2)": () => columns.numeric({ precision: 12, scale: 2 }),
  "numeric(38,18)": () => columns.numeric({ precision: 38, scale: 18 }),
  "numeric(3,-2)": () => columns.numeric({ precision: 3, scale: -2 }),
  "numeric(2,5)": () => columns.numeric({ precision: 2, scale: 5 }),
  real: () => columns.real(),
  "double precision": () => columns.doublePrecision(),
  date: () => columns.date(),
  "time without time zone": () => columns.time(),
  "time(3) without time zone": () => columns.time({ precision: 3 }),
  "time with time zone": () => columns.time({ withTimezone: true }),
  "timestamp without time zone": () => columns.timestamp(),
  "timestamp(0) without time zone": () => columns.timestamp({ precision: 0 }),
  "timestamp with time zone": () => columns.timestamp({ withTimezone: true }),
  "timestamp(3) with time zone": () => columns.timestamp({ withTimezone: true, precision: 3 }),
  interval: () => columns.interval(),
  boolean: () => columns.boolean(),
  uuid: () => columns.uuid(),
  json: () => columns.json(),
  jsonb: () => columns.jsonb(),
  inet: () => columns.inet(),
  value_mood: () => mood(),
  value_code: () => pgDomain("value_code", columns.varchar({ length: 20 })),
  value_small_percent: () => pgDomain("value_small_percent", columns.numeric({ precision: 5, scale: 2 })),
};

function columnOf(type: string): PgColumnBuilderBase {
  const element = type.replace(/\[\]$/, "");
  const column = native[element]?.() ?? pgType(element);
  return element === type ? column : column.array();
}

/** The entity of the table that `createValueTable` makes. Its replica is a table of the same name in the schema `copy`. */
export const declareValues = (type: ValueType) =>
  defineEntity(pgTable(valueTable(type), { id: columns.integer().primaryKey(), value: columnOf(type.type) }), {
    name: type.name.replaceAll("_", "-"),
    plural: valueTable(type),
    replicas: { copy: { table: { schema: "copy", name: valueTable(type) } } },
  });
