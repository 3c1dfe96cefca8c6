/** What the declarations want the source to have. Pure. */
import { getTableColumns, is, SQL } from "drizzle-orm";
import { type PgColumn, PgEnumColumn } from "drizzle-orm/pg-core";
import type { ChildDeclaration, EntityDeclaration, Shape } from "../contracts/entity/declaration.ts";
import type { Field, Fields } from "../contracts/entity/field.ts";
import { drizzleTableOf } from "../contracts/entity/table-fields.ts";
import { expressionText } from "./expression.ts";
import { literal, tableText } from "./names.ts";
import { rulesOf } from "./rules.ts";
import type { CaptureOptions, ColumnState, DatabaseState, EntityState, TableState } from "./snapshot.ts";
import { byName } from "./sort.ts";

/** One table of an entity: its own, or that of a child. */
export interface SourceTable {
  readonly name: string;
  readonly state: TableState;
}

/** The tables of an entity in the source: its own first. */
export function sourceTables(entity: EntityDeclaration): SourceTable[] {
  const { version, createdAt, updatedAt } = entity;
  const ownDefaults = Object.fromEntries([
    ...(version === undefined ? [] : [[version, "1"]]),
    ...[createdAt, updatedAt].flatMap((member) => (member === undefined ? [] : [[member, "now()"]])),
  ]) as Readonly<Record<string, string>>;
  return [
    tableState(entity, entity.key, ownDefaults),
    ...Object.values(entity.children).map((child) => tableState(child, [...child.parentKey, ...child.key], {})),
  ];
}

/** The record of an entity. */
export const entityState = (entity: EntityDeclaration, isAdopted: boolean): EntityState => ({
  table: tableText(entity.table),
  ...(isAdopted ? { adopted: true } : {}),
  capture: captureOptions(entity),
  schemaVersion: entity.schemaVersion,
  documents: documentsOf(entity),
});

function captureOptions(entity: EntityDeclaration): CaptureOptions {
  const column = (member: string | undefined) => (member === undefined ? undefined : entity.fields[member]!.column);
  const own = {
    version: column(entity.version),
    createdAt: column(entity.createdAt),
    updatedAt: column(entity.updatedAt),
    truncate: entity.truncate === "delete" ? ("delete" as const) : undefined,
  };
  const children = Object.entries(entity.children).map(([member, child]) => ({
    member,
    relation: tableText(child.table),
    key: columnsOf(child.fields, child.key),
    parentKey: columnsOf(child.fields, child.parentKey),
  }));
  return {
    key: columnsOf(entity.fields, entity.key),
    ...(Object.fromEntries(Object.entries(own).filter(([, value]) => value !== undefined)) as Omit<
      CaptureOptions,
      "key"
    >),
    ...(children.length === 0 ? {} : { children }),
  };
}

const columnsOf = (fields: Fields, members: readonly string[]): string[] =>
  members.map((member) => fields[member]!.column);

/** Enum types of the tables of an entity, with their words. */
export function enumsOf(entity: EntityDeclaration): NonNullable<DatabaseState["enums"]> {
  const shapes = [entity, ...Object.values(entity.children)];
  const found = shapes.flatMap((shape) => {
    const drizzle = drizzleTableOf(shape.table);
    if (!drizzle) return [];
    return Object.entries(getTableColumns(drizzle) as Record<string, PgColumn>).flatMap(([member, column]) => {
      const element = elementOf(column);
      const type = shape.fields[member]!.type.replace(/\[\]$/, "");
      return is(element, PgEnumColumn) ? [[type, element.enumValues] as const] : [];
    });
  });
  return Object.fromEntries(found);
}

/** Types by member, in the source's documents and in those of each replica: a change needs a new schema version. */
function documentsOf(entity: EntityDeclaration): EntityState["documents"] {
  return {
    source: membersOf(entity),
    ...Object.fromEntries(entity.replicas.map((replica) => [`replica ${replica.name}`, membersOf(replica)])),
  };
}

const membersOf = ({ fields, children }: Shape): Record<string, string> => {
  const ofFields = ([member, { type, nullable, private: hidden }]: [string, Field]) =>
    [member, [type, ...(nullable ? ["null"] : []), ...(hidden ? ["private"] : [])].join(" ")] as const;
  return byName(
    Object.fromEntries([
      ...Object.entries(fields).map(ofFields),
      ...Object.entries(children).flatMap(([list, child]) =>
        Object.entries(child.fields).map((entry) => {
          const [member, type] = ofFields(entry);
          return [`${list}.${member}`, type] as const;
        }),
      ),
    ]),
  );
};

type Declared = Pick<EntityDeclaration | ChildDeclaration, "table" | "fields">;

function tableState(
  { table, fields }: Declared,
  key: readonly string[],
  ownDefaults: Readonly<Record<string, string>>,
) {
  const drizzle = drizzleTableOf(table);
  const definitions = drizzle && (getTableColumns(drizzle) as Record<string, PgColumn>);
  const columns = Object.entries(fields).map(
    ([member, field]) => [field.column, columnState(field, definitions?.[member], ownDefaults[member])] as const,
  );
  const rules = drizzle ? rulesOf(drizzle, fields) : {};
  return {
    name: tableText(table),
    state: {
      columns: Object.fromEntries(columns),
      key: columnsOf(fields, key),
      ...(Object.keys(rules).length === 0 ? {} : { rules: byName(rules) }),
    },
  };
}

function columnState(field: Field, column: PgColumn | undefined, ownDefault: string | undefined): ColumnState {
  const text = ownDefault ?? (column && defaultText(column));
  const serial = column && /^(small|big)?serial$/.exec(column.getSQLType())?.[0];
  const generated = column && generatedText(column);
  return {
    type: field.type,
    ...(field.nullable ? { nullable: true } : {}),
    ...(text === undefined ? {} : { default: text }),
    ...(serial ? { serial } : {}),
    ...(generated ? { generated } : {}),
    ...(column && hasWords(column) ? { values: [...column.enumValues!] } : {}),
  };
}

/** True for a text that allows some words only. An enum type has its own. */
const hasWords = (column: PgColumn): boolean =>
  !is(column, PgEnumColumn) && elementOf(column) === column && (column.enumValues?.length ?? 0) > 0;

function elementOf(column: PgColumn): PgColumn {
  const { baseColumn } = column as unknown as { readonly baseColumn?: PgColumn };
  return baseColumn ? elementOf(baseColumn) : column;
}

function defaultText(column: PgColumn): string | undefined {
  const value: unknown = column.default;
  if (value === undefined) return undefined;
  if (is(value, SQL)) return expressionText(value);
  const stored: unknown = value === null ? null : column.mapToDriverValue(value);
  if (stored === null) return undefined;
  return typeof stored === "number" || typeof stored === "boolean" || typeof stored === "bigint"
    ? String(stored)
    : literal(typeof stored === "string" ? stored : JSON.stringify(stored));
}

function generatedText(column: PgColumn): string | undefined {
  const { generated, generatedIdentity: identity } = column;
  if (generated) {
    const given = typeof generated.as === "function" ? (generated.as as () => unknown)() : generated.as;
    return `generated always as (${is(given, SQL) ? expressionText(given) : String(given)}) stored`;
  }
  if (!identity) return undefined;
  const { startWith, increment } = identity.sequenceOptions ?? {};
  const options = [
    ...(startWith === undefined ? [] : [`start with ${startWith}`]),
    ...(increment === undefined ? [] : [`increment by ${increment}`]),
  ];
  const kind = identity.type === "always" ? "always" : "by default";
  return `generated ${kind} as identity${options.length === 0 ? "" : ` (${options.join(" ")})`}`;
}
