/**
 * Compares the tables of a database with their declarations. Owners change tables at any time: a column that is not
 * declared is ignored, and one that is declared and missing stops its entity.
 */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable, type Table } from "../../contracts/entity/table.ts";
import type { Project } from "../../contracts/project.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { type DeclaredColumn, type DeclaredTable, replicaTable, sourceTable } from "../verify/declared-table.ts";
import { type ActiveCondition, activeCondition } from "./active-condition.ts";
import tableColumns from "./table-columns.sql" with { type: "text" };

/** What the tables of one database have and their declarations do not, or the other way round. */
export interface TableDrift {
  readonly conditions: readonly ActiveCondition[];
  /** Sentences for people about what is ignored. */
  readonly notes: readonly string[];
}

/** A declared table, and the entity that stops without it. */
interface ExpectedTable {
  readonly entity: string;
  readonly table: Table;
  /** Every column that is needed. */
  readonly columns: readonly Pick<DeclaredColumn, "column" | "types">[];
}

/** By name: the type, and for a domain the type that it restricts. */
type ActualColumns = Readonly<Record<string, readonly [type: string, base: string | null]>>;

/** Compares the source's tables. @throws {Error} when the source is unavailable. */
export async function readSourceDrift(source: Sql, { allEntities }: Pick<Project, "allEntities">): Promise<TableDrift> {
  const expected = allEntities.flatMap((entity) => expectedTables(entity, sourceTable(entity)));
  const actual = await readColumns(source, expected);
  return {
    conditions: expected.flatMap((table, i) => conditionsOf(table, actual[i] ?? null, "source")),
    notes: expected.flatMap((table, i) => notesOf(table, actual[i] ?? null)),
  };
}

/** Compares a replica's tables. Other columns of them are its own. @throws {Error} when its database is unavailable. */
export async function readReplicaDrift(
  sql: Sql,
  { allEntities }: Pick<Project, "allEntities">,
  name: string,
): Promise<readonly ActiveCondition[]> {
  const expected = allEntities.flatMap((entity) =>
    entity.replicas
      .filter((replica) => replica.name === name)
      .flatMap((replica) => expectedTables(entity, replicaTable(replica))),
  );
  const actual = await readColumns(sql, expected);
  return expected.flatMap((table, i) => conditionsOf(table, actual[i] ?? null, name));
}

const expectedTables = ({ name }: EntityDeclaration, declared: DeclaredTable): ExpectedTable[] => [
  { entity: name, table: declared.table, columns: [...declared.columns.values()] },
  ...declared.children.map(({ table, columns }) => ({ entity: name, table, columns: [...columns.values()] })),
];

/** Null: the table does not exist. */
async function readColumns(sql: Sql, expected: readonly ExpectedTable[]): Promise<(ActualColumns | null)[]> {
  const names = JSON.stringify(expected.map(({ table }) => quotedTable(table)));
  const rows = await sql.unsafe<{ place: number; columns: ActualColumns | null }[]>(tableColumns, [names], {
    prepare: true,
  });
  return rows.toSorted((a, b) => a.place - b.place).map(({ columns }) => columns);
}

function conditionsOf({ entity, table, columns }: ExpectedTable, actual: ActualColumns | null, where: string) {
  const name = nameOf(table);
  const found = (problem: string) => activeCondition("table-drifted", where, `${problem}, so ${entity} stops`);
  if (!actual) return [found(`there is no table ${name}`)];
  const missing = columns.filter(({ column }) => !actual[column]).map(({ column }) => column);
  const retyped = columns.filter(({ column, types }) => actual[column] && !isOfType(types, actual[column]));
  return [
    ...(missing.length > 0 ? [found(`${name} has no column ${missing.join(", ")}`)] : []),
    ...retyped.map(({ column, types }) => found(`${name}.${column} is ${actual[column]![0]}, declared as ${types[0]}`)),
  ];
}

function notesOf({ table, columns }: ExpectedTable, actual: ActualColumns | null): string[] {
  const declared = new Set(columns.map(({ column }) => column));
  const ignored = Object.keys(actual ?? {}).filter((column) => !declared.has(column));
  return ignored.length > 0
    ? [`${nameOf(table)} has columns that are not declared: ${ignored.join(", ")}; they stay in the source`]
    : [];
}

const nameOf = ({ schema, name }: Table): string => (schema === undefined ? name : `${schema}.${name}`);

/** Types without lengths and schemas: a longer `varchar` changes nothing that a document shows. */
function isOfType(declared: readonly string[], actual: ActualColumns[string]): boolean {
  const names = declared.map(plainName);
  return names.length === 0 || actual.some((name) => name !== null && names.includes(plainName(name)));
}

/** `character varying(20)` → `character varying`, `sales."Mood"[]` → `Mood[]`. */
const plainName = (type: string): string =>
  type
    .replace(/\([^)]*\)/, "")
    .replace(/^(?:"(?:[^"]|"")*"|[^".]*)\.(?=.)/, "")
    .replaceAll('"', "");
