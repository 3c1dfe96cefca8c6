/** Declares a column by the name of its type, as a person would write it. */
import {
  bigint,
  boolean,
  char,
  cidr,
  date,
  doublePrecision,
  inet,
  integer,
  interval,
  json,
  jsonb,
  macaddr,
  macaddr8,
  numeric,
  pgType,
  real,
  smallint,
  text,
  time,
  timestamp,
  uuid,
  varchar,
} from "../../contracts/entity/columns.ts";

const plain = {
  boolean,
  cidr,
  "double precision": doublePrecision,
  inet,
  integer,
  interval,
  json,
  jsonb,
  macaddr,
  macaddr8,
  real,
  smallint,
  text,
  uuid,
} as const;

/** @param type as `format_type` prints it: `numeric(12,2)`, `timestamp(3) with time zone[]`. @param column its name. */
export function columnOfType(type: string, column: string) {
  if (type.endsWith("[]")) {
    const element = columnOfType(type.slice(0, -2), column) as ReturnType<typeof text>;
    return element.array();
  }
  const [, first, second] = /\((-?\d+)(?:,(-?\d+))?\)/.exec(type) ?? [];
  const name = type.replace(/\(.*?\)/, "");
  const length = first === undefined ? {} : { length: Number(first) };
  const precision = first === undefined ? {} : { precision: Number(first) };
  const withTimezone = type.endsWith("with time zone");
  if (name in plain) return (plain[name as keyof typeof plain] as typeof text)(column);
  if (name === "bigint") return bigint(column, { mode: "bigint" });
  if (name === "numeric")
    return first === undefined
      ? numeric(column)
      : numeric(column, { precision: Number(first), scale: Number(second ?? 0) });
  if (name === "character varying") return varchar(column, length);
  if (name === "character") return char(column, length);
  if (name === "date") return date(column, { mode: "string" });
  if (name.startsWith("timestamp ")) return timestamp(column, { ...precision, withTimezone, mode: "string" } as never);
  if (name.startsWith("time ")) return time(column, { ...precision, withTimezone } as never);
  return pgType(type, column);
}
