/**
 * Columns of a table, for declarations. Drizzle's are here under their own names, beside what Drizzle lacks.
 *
 * @see https://orm.drizzle.team/docs/column-types/pg
 */
import { customType, type PgColumn, type PgColumnBuilderBase } from "drizzle-orm/pg-core";

export { sql } from "drizzle-orm";
export {
  bigint,
  bigserial,
  boolean,
  char,
  check,
  cidr,
  date,
  doublePrecision,
  foreignKey,
  index,
  inet,
  integer,
  interval,
  json,
  jsonb,
  macaddr,
  macaddr8,
  numeric,
  pgEnum,
  pgSchema,
  pgTable,
  primaryKey,
  real,
  serial,
  smallint,
  smallserial,
  text,
  time,
  timestamp,
  unique,
  uniqueIndex,
  uuid,
  varchar,
} from "drizzle-orm/pg-core";

const typed = customType<{ data: string; config: { readonly type: string } }>({
  dataType: (config) => config!.type,
});

/**
 * A column of any type, whose document value is PostgreSQL's text: `citext`, `bytea`, `int4range`, `money`, `tsvector`,
 * a composite, a type of an extension.
 *
 * @param type as SQL writes it: `pgType("bit(3)")`, `pgType("public.hstore")`.
 * @param column name of the column. Default: the name of the member.
 */
export const pgType = (type: string, column?: string) =>
  column === undefined ? typed({ type }) : typed(column, { type });

/** Where {@link pgDomain} notes the domain of a column. */
const domains = new WeakMap<PgColumn, string>();

/** The domain of a column, if it has one. */
export const domainOf = (column: PgColumn): string | undefined => domains.get(column);

/**
 * A column of a domain. Its document value is that of the base type, and PostgreSQL checks the domain's rules.
 *
 * @param domain as SQL writes it: `posint`, `sales.posint`.
 * @param base a column of the domain's base type.
 * @example weight: pgDomain("posint", integer()).notNull()
 */
export function pgDomain<Builder extends PgColumnBuilderBase>(domain: string, base: Builder): Builder {
  // Drizzle has no domains. `build` is its internal method that makes the column of a table.
  const builder = base as unknown as { build(table: unknown): PgColumn };
  const build = builder.build.bind(builder);
  builder.build = (table) => {
    const column = build(table);
    domains.set(column, domain);
    return column;
  };
  return base;
}
