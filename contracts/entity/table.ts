/** Names of tables and columns in SQL. */

/** A table of PostgreSQL. */
export interface Table {
  /** Missing: the first schema of the session's `search_path`, which is `public`. */
  readonly schema?: string;
  /** As PostgreSQL stores it, without quotes. */
  readonly name: string;
}

/** A name as SQL text: `Order` → `"Order"`. Quotes keep upper case, blanks and SQL keywords. */
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A table's name as SQL text: `"sales"."Order"`. */
export const quotedTable = ({ schema, name }: Table): string =>
  schema === undefined ? quotedName(name) : `${quotedName(schema)}.${quotedName(name)}`;
