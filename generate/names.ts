/** Names and literals as SQL text. Names that need no quotes have none, so that people can read the migrations. */
import { quotedName, type Table } from "../contracts/entity/table.ts";

/** Words of SQL that cannot be the name of a table or column without quotes. */
const RESERVED = new Set(
  `all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate collation column
  concurrently constraint create cross current_catalog current_date current_role current_schema current_time
  current_timestamp current_user default deferrable desc distinct do else end except false fetch for foreign freeze from
  full grant group having ilike in initially inner intersect into is isnull join lateral leading left like limit localtime
  localtimestamp natural not notnull null offset on only or order outer overlaps placing primary references returning right
  select session_user similar some symmetric system_user table tablesample then to trailing true union unique user using
  variadic verbose when where window with`.split(/\s+/),
);

/** A name in SQL: `title`, `"Order"`. */
export const identifier = (name: string): string =>
  /^[a-z_][a-z0-9_]*$/.test(name) && !RESERVED.has(name) ? name : quotedName(name);

/** Names in SQL, with commas. */
export const identifiers = (names: readonly string[]): string => names.map(identifier).join(", ");

/** A table in SQL: `products`, `sales."Order"`. */
export const tableText = ({ schema, name }: Table): string =>
  schema === undefined ? identifier(name) : `${identifier(schema)}.${identifier(name)}`;

/** A text in SQL: `'it''s'`. */
export const literal = (text: string): string =>
  text.includes("\\") ? `E'${text.replaceAll("\\", "\\\\").replaceAll("'", "''")}'` : `'${text.replaceAll("'", "''")}'`;

/** PostgreSQL cuts longer names. */
const MAX_NAME = 63;

/** A name of an object that belongs to a table and columns: `products_status_check`. */
export const objectName = (...parts: readonly string[]): string => {
  const name = parts.join("_");
  if (Buffer.byteLength(name) <= MAX_NAME) return name;
  const hash = new Bun.CryptoHasher("md5").update(name).digest("hex").slice(0, 8);
  return `${name.slice(0, MAX_NAME - 9 - (Buffer.byteLength(name) - name.length))}_${hash}`;
};
