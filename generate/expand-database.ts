/** Expand steps of a database: types and tables that are missing, and those of its tables. Pure. */
import { createTable, plainName, schemaPrefix } from "./columns.ts";
import { type ContractStep, contractTable } from "./contract.ts";
import { type Expansion, expandTable, newTableRules } from "./expand.ts";
import { identifier, literal } from "./names.ts";
import { extensionOf, isKnownType } from "./replica-state.ts";
import type { DatabaseState, TableState } from "./snapshot.ts";

/** What the declarations want a database to have. */
export type DeclaredDatabase = Pick<DatabaseState, "enums" | "tables">;

/** How a database is expanded. */
export interface DatabaseOptions {
  readonly isReplica: boolean;
  /** Former names of columns by the new ones, by table. */
  readonly renames: ReadonlyMap<string, ReadonlyMap<string, string>>;
  /** Former names of tables by the new ones. */
  readonly renamedTables: ReadonlyMap<string, string>;
  /** In a replica: values of rows that exist, by table and column. */
  readonly fillers?: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

/** What becomes of a database. */
export interface DatabaseExpansion {
  /** The database after all steps. */
  readonly state: DatabaseState;
  readonly statements: readonly string[];
  readonly validations: readonly string[];
  /** By table: what changed in a table that was there before. */
  readonly expansions: ReadonlyMap<string, Expansion>;
  /** Tables that are new. */
  readonly created: ReadonlySet<string>;
}

/** The steps of a database. @throws {UserError} for a change that is not possible. */
export function expandDatabase(
  from: DatabaseState,
  declared: DeclaredDatabase,
  options: DatabaseOptions,
): DatabaseExpansion {
  const renamed = renameTables(from, options.renamedTables);
  const statements = [...renamed.statements, ...missingTypes(renamed.tables, declared, from.enums ?? {})];
  const validations: string[] = [];
  const rules: string[] = [];
  const tables: Record<string, TableState> = { ...renamed.tables };
  const expansions = new Map<string, Expansion>();
  const created = new Set<string>();
  for (const [name, target] of Object.entries(declared.tables)) {
    const former = renamed.tables[name];
    if (!former) {
      statements.push(createTable(name, target));
      rules.push(...newTableRules(name, target.rules ?? {}));
      created.add(name);
      tables[name] = target;
      continue;
    }
    const expansion = expandTable(name, former, target, {
      isReplica: options.isReplica,
      renames: options.renames.get(name) ?? new Map(),
      fillers: options.fillers?.[name] ?? {},
    });
    statements.push(...expansion.statements);
    validations.push(...expansion.validations);
    expansions.set(name, expansion);
    tables[name] = expansion.state;
  }
  const enums = { ...from.enums, ...declared.enums };
  return {
    state: { ...(Object.keys(enums).length === 0 ? {} : { enums }), tables },
    statements: [...statements, ...rules],
    validations,
    expansions,
    created,
  };
}

function renameTables(from: DatabaseState, renamedTables: ReadonlyMap<string, string>) {
  const tables: Record<string, TableState> = { ...from.tables };
  const statements: string[] = [];
  for (const [name, former] of renamedTables) {
    const state = tables[former];
    if (!state || tables[name]) continue;
    delete tables[former];
    tables[name] = state;
    statements.push(
      `-- Processes of the declaration before fail until they are replaced.\nalter table ${former} rename to ${identifier(plainName(name))};`,
    );
  }
  return { tables, statements };
}

/** Schemas, extensions and enum types that new tables and columns need. */
function missingTypes(
  tables: Readonly<Record<string, TableState>>,
  declared: DeclaredDatabase,
  enums: NonNullable<DatabaseState["enums"]>,
): string[] {
  const added = Object.entries(declared.tables).flatMap(([name, { columns }]) =>
    Object.entries(columns).flatMap(([column, state]) => (tables[name]?.columns[column] ? [] : [state])),
  );
  const extensions = new Set(added.flatMap(({ type }) => extensionOf(type) ?? []));
  const isEnum = (type: string) => declared.enums?.[type.replace(/\[\]$/, "")] !== undefined;
  const others = new Set(added.map(({ type }) => type).filter((type) => !isKnownType(type) && !isEnum(type)));
  const isPlain = (table: string) => schemaPrefix(table) === "" || schemaPrefix(table) === "public.";
  const schemas = new Set(
    [...Object.keys(declared.tables).filter((name) => !tables[name]), ...Object.keys(declared.enums ?? {})]
      .filter((name) => !isPlain(name) && !enums[name])
      .map((name) => schemaPrefix(name).slice(0, -1)),
  );
  return [
    ...[...others].map((type) => `-- Create the type ${type} here, if the database does not have it.`),
    ...[...schemas].map((schema) => `create schema if not exists ${schema};`),
    ...[...extensions].map((extension) => `create extension if not exists ${extension};`),
    ...Object.entries(declared.enums ?? {}).flatMap(([name, words]) => enumSteps(name, enums[name], words)),
  ];
}

function enumSteps(name: string, from: readonly string[] | undefined, to: readonly string[]): string[] {
  if (!from) return [`create type ${name} as enum (${to.map(literal).join(", ")});`];
  const known = [...from];
  return to.flatMap((word, i) => {
    if (known.includes(word)) return [];
    const next = to.slice(i + 1).find((later) => known.includes(later));
    known.push(word);
    const place = next === undefined ? "" : ` before ${literal(next)}`;
    return [`alter type ${name} add value if not exists ${literal(word)}${place};`];
  });
}

/** The contract steps that are left after an expansion. */
export function contractDatabase(
  state: DatabaseState,
  declared: DeclaredDatabase,
  options: { readonly isReplica: boolean },
): ContractStep[] {
  const isDeclared = (name: string) => declared.tables[name] !== undefined;
  const changed = Object.entries(state.tables).filter(([name]) => isDeclared(name));
  const gone = Object.entries(state.tables).filter(([name]) => !isDeclared(name));
  return [
    ...changed.flatMap(([name, table]) => contractTable(name, table, declared.tables[name]!, options)),
    ...inOrderOfReferences(Object.fromEntries(gone)).map(dropTable),
  ];
}

/** Tables in the order in which they can be dropped: those that refer to others before these. */
function inOrderOfReferences(tables: Readonly<Record<string, TableState>>): string[] {
  const names = Object.keys(tables);
  if (names.length === 0) return [];
  const refersTo = (name: string) =>
    Object.values(tables[name]!.rules ?? {}).flatMap(({ definition }) =>
      names.filter((other) => other !== name && definition.includes(` references ${other} (`)),
    );
  const first = names.find((name) => !names.some((other) => refersTo(other).includes(name))) ?? names[0]!;
  const { [first]: _, ...others } = tables;
  return [first, ...inOrderOfReferences(others)];
}

const dropTable = (name: string): ContractStep => ({
  title: `drop table ${name}`,
  before: "no process of a declaration with it runs, and no SQL reads or writes it; its rows are lost",
  statements: [`drop table ${name};`],
  validations: [],
});
