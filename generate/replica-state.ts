/** What the declarations want a replica's database to have. Pure. */
import type { ChildDeclaration, ReplicaDeclaration } from "../contracts/entity/declaration.ts";
import type { Field } from "../contracts/entity/field.ts";
import { formatType, parseType } from "../contracts/entity/type-name.ts";
import { literal, tableText } from "./names.ts";
import type { ColumnState } from "./snapshot.ts";
import type { SourceTable } from "./source-state.ts";

/** The tables of an entity in a replica: its own first. They have the projected columns, and an index on the key. */
export const replicaTables = (replica: ReplicaDeclaration): SourceTable[] => [
  tableState(replica, replica.key),
  ...Object.values(replica.children).map((child) => tableState(child, [...child.parentKey, ...child.key])),
];

const tableState = ({ table, fields }: Pick<ChildDeclaration, "table" | "fields">, key: readonly string[]) => ({
  name: tableText(table),
  state: {
    columns: Object.fromEntries(Object.values(fields).map((field) => [field.column, columnState(field)])),
    key: key.map((member) => fields[member]!.column),
  },
});

/** Defaults are of the source: a replica gets every value. */
const columnState = (field: Field): ColumnState => ({
  type: replicaType(field),
  ...(field.nullable ? { nullable: true } : {}),
});

/** Types that every database has. */
const BUILT_IN = new Set(
  `bigint,bit,bit varying,boolean,box,bytea,character,character varying,cidr,circle,date,datemultirange,daterange,double precision,
  inet,int4multirange,int4range,int8multirange,int8range,integer,json,jsonb,jsonpath,line,lseg,macaddr,macaddr8,money,numeric,
  nummultirange,numrange,path,pg_lsn,point,polygon,real,smallint,text,time with time zone,time without time zone,
  timestamp with time zone,timestamp without time zone,tsmultirange,tsquery,tsrange,tstzmultirange,tstzrange,tsvector,uuid,xml`.split(
    /,\s*/,
  ),
);

/** Types of extensions that come with PostgreSQL and that the owner of a database may create. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  citext: "citext",
  cube: "cube",
  hstore: "hstore",
  lquery: "ltree",
  ltree: "ltree",
  ltxtquery: "ltree",
};

/** The extension that a column's type needs, if any. @param type as {@link replicaType} or a source's column has it. */
export const extensionOf = (type: string): string | undefined => EXTENSIONS[unqualified(parseType(type).name)];

const unqualified = (name: string): string => name.replace(/^.*\./, "");

/** True for a type that a database has, or gets by {@link extensionOf}. */
export function isKnownType(type: string): boolean {
  const { name } = parseType(type);
  return BUILT_IN.has(name) || /^interval( |$)/.test(name) || EXTENSIONS[unqualified(name)] !== undefined;
}

/**
 * The type of a column in a replica. A domain is its base type: the source has checked the values. An enum, a composite or
 * any other type of the source's own is text: it has the same values there, and needs no migration for a new word.
 */
export function replicaType({ type, baseType }: Pick<Field, "type" | "baseType">): string {
  const parsed = parseType(baseType ?? type);
  const isExtension = EXTENSIONS[unqualified(parsed.name)] !== undefined;
  if (isKnownType(baseType ?? type) && !isExtension) return formatType(parsed);
  const brackets = parsed.dimensions > 0 ? "[]" : "";
  const name = unqualified(parsed.name);
  return `${isExtension ? name : "text"}${brackets}`;
}

/** SQL of a constant that PostgreSQL reads as this value of a document. */
export const valueText = (value: unknown): string =>
  typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : literal(typeof value === "string" ? value : JSON.stringify(value));
