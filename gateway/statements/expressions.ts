/** SQL expressions of keys, rows and values of one entity. Pure. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Field, Fields } from "../../contracts/entity/field.ts";
import { quotedName } from "../../contracts/entity/table.ts";

/** A text as SQL. The setting standard_conforming_strings is on, as by default. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A column of the primary key. */
export interface KeyColumn {
  /** Quoted name. */
  readonly column: string;
  /** Type of a component of the key, without a length: a longer component belongs to no row, and is no error. */
  readonly type: string;
  readonly kind: "citext" | "numeric" | "plain" | "escaped";
}

/** Types whose texts have neither a comma nor a percent sign, and are never empty. */
const PLAIN_TYPES = [
  "uuid",
  "smallint",
  "integer",
  "bigint",
  "boolean",
  "date",
  "time without time zone",
  "timestamp without time zone",
  "timestamp with time zone",
  "bytea",
  "inet",
  "cidr",
];

/** `character(3)` → `bpchar`, since `character` alone has one character; `numeric(12,2)` → `numeric`. */
const withoutLength = (type: string): string => type.replace(/\(.*?\)/, "").replace(/^character$/, "bpchar");

/** The columns of a key by the members that have them. */
export function keyColumns(fields: Fields, members: readonly string[]): KeyColumn[] {
  return members.map((member) => {
    const field = fields[member]!;
    const type = withoutLength(field.baseType ?? field.type);
    const kind = /(^|\.)citext$/.test(type)
      ? "citext"
      : type === "numeric"
        ? "numeric"
        : PLAIN_TYPES.includes(type)
          ? "plain"
          : "escaped";
    return { column: quotedName(field.column), type, kind };
  });
}

/** The canonical text of a row's key (contracts/entity/key.ts). @param row alias of the row. */
export const keyTextOf = (key: readonly KeyColumn[], row: string): string =>
  key
    .map(({ column, kind }) => {
      const value = `${row}.${column}`;
      if (kind === "citext") return `lockstep.key_part(lower(${value}::text collate "default"))`;
      if (kind === "numeric") return `trim_scale(${value})::text`;
      return kind === "plain" ? `${value}::text` : `lockstep.key_part(${value}::text)`;
    })
    .join(" || ',' || ");

/** The values of a key's columns in the canonical text `id`, an SQL expression. */
export const keyValuesOf = (key: readonly KeyColumn[], id: string): string[] =>
  key.map(({ type, kind }, i) => {
    if (kind === "citext" || kind === "escaped") return `lockstep.key_component(${id}, ${i + 1})::${type}`;
    return key.length === 1 ? `${id}::${type}` : `split_part(${id}, ',', ${i + 1})::${type}`;
  });

/** Condition: the row has the key whose values are these. */
export const hasKey = (key: readonly Pick<KeyColumn, "column">[], row: string, values: readonly string[]): string =>
  key.map(({ column }, i) => `${row}.${column} = ${values[i]}`).join(" and ");

/** Arguments of one `jsonb_build_object`: PostgreSQL allows 100. */
const MAX_ARGUMENTS = 100;

/**
 * The declared columns of a row as jsonb, as capture writes them: where jsonb would lose something, PostgreSQL's text.
 *
 * @param row alias of the row.
 */
export function rowAsJson(fields: Fields, row: string): string {
  const members = Object.values(fields).map(
    (field) => `${literal(field.column)}, ${asJson(field, `${row}.${quotedName(field.column)}`)}`,
  );
  const objects: string[] = [];
  for (let i = 0; i < members.length; i += MAX_ARGUMENTS / 2)
    objects.push(`jsonb_build_object(${members.slice(i, i + MAX_ARGUMENTS / 2).join(", ")})`);
  return objects.join(" || ");
}

/**
 * The same by `to_jsonb(row)`, which takes some 10 µs less, where no declared type needs more. The owner of a table
 * with a column for Lockstep's version has no undeclared columns that `to_jsonb` could fail to convert.
 */
export function ownRowAsJson(fields: Fields, row: string): string {
  const all = Object.values(fields);
  const isPlain = (field: Field) => !needsText(field) && !(field.kind === "jsonb" && field.nullable);
  if (!all.every(isPlain)) return rowAsJson(fields, row);
  const arrays = all.filter(({ kind }) => kind === "array");
  if (arrays.length === 0) return `to_jsonb(${row})`;
  const areUsual = arrays
    .map((field) => `${isUsualArray(`${row}.${quotedName(field.column)}`)} is not false`)
    .join(" and ");
  return `case when ${areUsual} then to_jsonb(${row}) else ${rowAsJson(fields, row)} end`;
}

/** Condition: one dimension with the lower bound 1. Null for an empty array, and for null. */
const isUsualArray = (value: string): string => `(array_lower(${value}, 1) = 1 and array_ndims(${value}) = 1)`;

/**
 * True for what `to_jsonb` changes: json loses its text, a float its -0, and other types may have a cast to json. In an
 * array of jsonb, an element that is a list looks like another dimension, and JSON's null like SQL's.
 */
const needsText = ({ kind, elementKind = kind }: Field): boolean =>
  ["json", "float", "other"].includes(elementKind) || (kind === "array" && elementKind === "jsonb");

/** In a document, the JSON value null of a column that also accepts SQL's null. */
export const JSON_NULL = `'{"lockstep.jsonNull": true}'::jsonb`;

function asJson(field: Field, value: string): string {
  const { kind, nullable } = field;
  if (needsText(field)) return `${value}::text`;
  // The text of an array with a lower bound other than 1 begins with its bounds: `[0:1]={1,2}`.
  if (kind === "array")
    return `case when ${isUsualArray(value)} then to_jsonb(${value})
      when ${value}::text like '[%' then to_jsonb(${value}::text) else to_jsonb(${value}) end`;
  if (kind === "jsonb" && nullable) return `case when ${value} = 'null' then ${JSON_NULL} else ${value} end`;
  return value;
}

/**
 * The value of a column from a JSON object that has it.
 *
 * @param json the object, an SQL expression.
 * @param given alias of the record that `jsonb_populate_record` made of the object.
 */
export function givenValue({ column, kind, elementKind, nullable, type }: Field, json: string, given: string): string {
  const name = literal(column);
  const value = `${given}.${quotedName(column)}`;
  // jsonb_populate_record would store the text of a json value as a JSON string.
  if (kind === "json") return `(${json} ->> ${name})::${type}`;
  if (kind === "array" && elementKind === "json")
    return `(select texts.value::${type} from jsonb_to_record(jsonb_build_object('value', ${json} -> ${name})) as texts (value text[]))`;
  if (kind !== "jsonb") return value;
  if (!nullable) return `coalesce(${value}, 'null'::jsonb)`;
  return `case when ${value} = ${JSON_NULL} then 'null'::jsonb else ${value} end`;
}

/** The default that the database computes for a column. @param table quoted name of the table. */
export const databaseDefault = ({ column, type }: Field, table: string): string =>
  `lockstep.column_default(${literal(table)}::regclass, ${literal(column)})::${type}`;

/** The columns that a client can set, those of the key excluded. */
export const writableFields = ({ fields, key }: Pick<EntityDeclaration, "fields" | "key">): Field[] =>
  Object.entries(fields).flatMap(([member, field]) => (field.readOnly || key.includes(member) ? [] : [field]));
