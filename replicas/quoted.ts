/** SQL identifiers. */

/** A name in double quotes. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** A table with its schema, both quoted. */
export const qualified = (schema: string, table: string): string => `${quoted(schema)}.${quoted(table)}`;
