/** The next migrations of a project: from its declarations, and the record of what its migrations have made. Pure. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { UserError } from "../contracts/errors.ts";
import type { Migration, Project } from "../contracts/project.ts";
import { captureText, outboxText } from "./capture.ts";
import type { ContractStep } from "./contract.ts";
import { declaredReplica, declaredSource, fillersOf, withWrittenMigrations } from "./declared.ts";
import { documentNotes } from "./document-notes.ts";
import { contractDatabase, type DatabaseExpansion, expandDatabase } from "./expand-database.ts";
import { contractStatements, migrationText } from "./migration-text.ts";
import { literal, tableText } from "./names.ts";
import { type PossibleRename, possibleRenames, type Rename, renamesOf } from "./renames.ts";
import type { DatabaseState, EntityState, Snapshot } from "./snapshot.ts";
import { byName } from "./sort.ts";
import { entityState } from "./source-state.ts";

/** What a person asked for. */
export interface GenerateOptions {
  readonly renames: readonly Rename[];
  /** True: writes the contract steps that wait. */
  readonly contract: boolean;
  /** True: the migrations exist already. Only the record is written. */
  readonly recordOnly: boolean;
}

/** What is to be written, and said. */
export interface Generated {
  /** Text by path in the folder of migrations: `source/0002-products.sql`. */
  readonly files: ReadonlyMap<string, string>;
  readonly snapshot: Snapshot;
  /** Entities that migrations capture without a record of it. */
  readonly found: readonly string[];
  /** What the declarations need, too. */
  readonly notes: readonly string[];
  /** Contract steps that wait: `source: products: drop column description`. */
  readonly waiting: readonly string[];
  /** Changes that may be renames. */
  readonly possibleRenames: readonly PossibleRename[];
}

/** One database after a change. */
interface DatabaseResult {
  readonly state: DatabaseState;
  readonly files: readonly { readonly suffix: string; readonly text: string }[];
  readonly waiting: readonly string[];
}

type GenerateProject = Pick<Project, "entities" | "migrations" | "replicaNames">;

/** @throws {UserError} for a change that is not possible, and for a rename that fits nothing. */
export function generate(project: GenerateProject, before: Snapshot, options: GenerateOptions): Generated {
  const { snapshot, found } = withWrittenMigrations(before, project);
  const used = new Set<Rename>();
  const possible: PossibleRename[] = [];
  const source = changeSource(project, snapshot, options, used, possible);
  const replicas = project.replicaNames.map(
    (name) => [name, changeReplica(project, name, snapshot, options, used)] as const,
  );
  const unused = options.renames.find((rename) => !used.has(rename));
  if (unused)
    throw new UserError(
      `--rename ${unused.text}: no table has a column ${unused.from} that is not declared any more, and a declared new column ${unused.to}`,
    );
  const files = new Map<string, string>();
  for (const [database, { files: texts }] of [["source", source] as const, ...replicas])
    for (const { suffix, text } of options.recordOnly ? [] : texts)
      files.set(nextPath(project, database, suffix, files), text);
  return {
    files,
    found,
    notes: documentNotes(snapshot.entities, source.entities),
    possibleRenames: possible,
    waiting: [["source", source] as const, ...replicas].flatMap(([name, { waiting }]) =>
      waiting.map((step) => `${name}: ${step}`),
    ),
    snapshot: {
      format: 1,
      entities: byName(source.entities),
      source: sorted(source.state),
      replicas: byName(Object.fromEntries(replicas.map(([name, { state }]) => [name, sorted(state)]))),
    },
  };
}

const sorted = (state: DatabaseState): DatabaseState => ({ ...state, tables: byName(state.tables) });

function changeSource(
  { entities }: GenerateProject,
  snapshot: Snapshot,
  options: GenerateOptions,
  used: Set<Rename>,
  possible: PossibleRename[],
): DatabaseResult & { readonly entities: Record<string, EntityState> } {
  const isAdopted = ({ name }: EntityDeclaration) => snapshot.entities[name]?.adopted === true;
  const states = Object.fromEntries(entities.map((entity) => [entity.name, entityState(entity, isAdopted(entity))]));
  for (const [name, state] of Object.entries(states)) checkCapture(name, snapshot.entities[name], state);
  const declared = declaredSource(entities.filter((entity) => !isAdopted(entity)));
  const renames = renamesOf(snapshot.source, declared.tables, options.renames);
  for (const rename of renames.used) used.add(rename);
  possible.push(...possibleRenames(snapshot.source, declared.tables, renames));
  const database = { isReplica: false, renames: renames.columns, renamedTables: renames.tables };
  const expansion = expandDatabase(snapshot.source, declared, database);
  const changed = entities.filter((entity) => needsCapture(entity, snapshot.entities[entity.name], states, expansion));
  const statements = [
    ...expansion.statements,
    ...entities.flatMap((entity) => outboxStatements(entity, expansion)),
    ...changed.map(({ name }) => captureText(name, states[name]!)),
  ];
  const removed = Object.entries(snapshot.entities).filter(([name]) => !states[name]);
  const contract = [
    ...removed.map(([name, { table }]) => uncapture(name, table)),
    ...contractDatabase(expansion.state, declared, { isReplica: false }),
  ];
  const subject = changed.map(({ plural }) => plural);
  const afterContract = recapture(entities, states, contract);
  const result = databaseResult({
    from: snapshot.source,
    expansion,
    statements,
    contract,
    subject,
    options,
    declared,
    afterContract,
  });
  const kept = options.contract || options.recordOnly ? {} : Object.fromEntries(removed);
  return { ...result, entities: { ...kept, ...states } };
}

/** A contract step changes columns, so capture is generated again. */
const recapture = (
  entities: readonly EntityDeclaration[],
  states: Readonly<Record<string, EntityState>>,
  contract: readonly ContractStep[],
): string[] =>
  entities
    .filter(({ name, table, children }) => {
      if (states[name]!.adopted) return false;
      const tables = [table, ...Object.values(children).map((child) => child.table)].map(tableText);
      return contract.some(({ title }) => tables.some((one) => title.startsWith(`${one}:`)));
    })
    .map(({ name }) => captureText(name, states[name]!));

const uncapture = (name: string, table: string): ContractStep => ({
  title: `${name}: end its capture`,
  before: `nothing writes ${table}, and the outbox is empty`,
  statements: [`select lockstep.uncapture(${literal(name)});`],
  validations: [],
});

/** @throws {UserError} for options that capture cannot change. */
function checkCapture(name: string, from: EntityState | undefined, to: EntityState): void {
  if (!from) return;
  if (from.capture.version !== to.capture.version && (!from.capture.version || !to.capture.version))
    throw new UserError(
      `${name}: its versions move ${to.capture.version ? "into the column" : "out of the column"} ${to.capture.version ?? from.capture.version}, which replicas would take for older ones; wait for an empty outbox, then run lockstep unadopt ${name}, and declare it again`,
    );
}

function needsCapture(
  { name, table, children }: EntityDeclaration,
  from: EntityState | undefined,
  states: Readonly<Record<string, EntityState>>,
  { expansions, created }: DatabaseExpansion,
): boolean {
  const state = states[name]!;
  if (!from || JSON.stringify(from.capture) !== JSON.stringify(state.capture) || from.table !== state.table)
    return true;
  if (state.adopted) return false;
  const tables = [table, ...Object.values(children).map((child) => child.table)].map(tableText);
  return tables.some((one) => created.has(one) || (expansions.get(one)?.statements.length ?? 0) > 0);
}

function outboxStatements(entity: EntityDeclaration, { expansions }: DatabaseExpansion): string[] {
  const own = expansions.get(tableText(entity.table))?.added;
  return [
    ...(own && own.size > 0 ? [outboxText(entity.name, own)] : []),
    ...Object.entries(entity.children).flatMap(([member, { table }]) => {
      const added = expansions.get(tableText(table))?.added;
      return added && added.size > 0 ? [outboxText(entity.name, added, member)] : [];
    }),
  ];
}

function changeReplica(
  { entities }: GenerateProject,
  name: string,
  snapshot: Snapshot,
  options: GenerateOptions,
  used: Set<Rename>,
): DatabaseResult {
  const from = snapshot.replicas[name] ?? { tables: {} };
  const declared = declaredReplica(entities, name, from);
  const renames = renamesOf(from, declared.tables, options.renames);
  for (const rename of renames.used) used.add(rename);
  const fillers = fillersOf(entities, name);
  const database = { isReplica: true, renames: renames.columns, renamedTables: renames.tables, fillers };
  const expansion = expandDatabase(from, declared, database);
  const subject = entities
    .filter(({ replicas }) =>
      replicas.some((replica) => {
        const tables = [replica.table, ...Object.values(replica.children).map(({ table }) => table)].map(tableText);
        return (
          replica.name === name &&
          tables.some(
            (one) => expansion.created.has(one) || (expansion.expansions.get(one)?.statements.length ?? 0) > 0,
          )
        );
      }),
    )
    .map(({ plural }) => plural);
  const contract = contractDatabase(expansion.state, declared, { isReplica: true });
  const { statements } = expansion;
  return databaseResult({ from, expansion, statements, contract, subject, options, declared, afterContract: [] });
}

interface DatabaseChange {
  readonly from: DatabaseState;
  readonly expansion: DatabaseExpansion;
  readonly statements: readonly string[];
  readonly contract: readonly ContractStep[];
  readonly subject: readonly string[];
  readonly options: GenerateOptions;
  readonly declared: Pick<DatabaseState, "enums" | "tables">;
  readonly afterContract: readonly string[];
}

function databaseResult(change: DatabaseChange): DatabaseResult {
  const { from, expansion, statements, contract, subject, options, declared, afterContract } = change;
  const name = subject.length > 0 && subject.length <= 3 ? subject.join("-") : "changes";
  const titles = contract.map(({ title }) => title);
  const fills = [...expansion.expansions.values()].flatMap((one) => one.fills);
  const isNew = statements.length > 0 || titles.join() !== (from.waiting ?? []).join();
  const files: { suffix: string; text: string }[] = [];
  // What waits and has been written before is not written again.
  if (statements.length > 0 || (isNew && titles.length > 0 && !options.contract))
    files.push({
      suffix: name,
      text: migrationText({ title: titleOf(subject, expansion), statements, fills, contract }),
    });
  pushValidation(files, name, expansion.validations);
  if (options.contract && contract.length > 0) {
    const ready = [...contractStatements(contract), ...afterContract];
    const title = "Contract: what no process needs any more. Read what must be true before each step.";
    files.push({ suffix: `${name}-contract`, text: migrationText({ title, statements: ready }) });
    pushValidation(
      files,
      `${name}-contract`,
      contract.flatMap(({ validations }) => validations),
    );
  }
  const isDone = options.contract || options.recordOnly;
  if (isDone) return { state: declared, files, waiting: [] };
  return {
    state: { ...expansion.state, ...(titles.length === 0 ? {} : { waiting: titles }) },
    files,
    waiting: titles,
  };
}

function titleOf(subject: readonly string[], { created, expansions }: DatabaseExpansion): string {
  if (subject.length === 0) return "Changes of declarations.";
  const isNew = created.size > 0 && [...expansions.values()].every(({ statements }) => statements.length === 0);
  return `${isNew ? "Tables of" : "Expand"}: ${subject.join(", ")}.`;
}

/** Reads whole tables, so it has a transaction of its own: writers go on meanwhile. */
function pushValidation(files: { suffix: string; text: string }[], name: string, statements: readonly string[]): void {
  if (statements.length === 0) return;
  const title = "Checks the rows that were there before. Reads and writes go on meanwhile.";
  files.push({ suffix: `${name}-validate`, text: migrationText({ title, statements }) });
}

/** Path of the next file of a database. */
function nextPath(
  { migrations }: GenerateProject,
  database: string,
  suffix: string,
  files: ReadonlyMap<string, string>,
): string {
  const own: readonly Migration[] = database === "source" ? migrations.source : (migrations.replicas[database] ?? []);
  const written = [...files.keys()].filter((path) => path.startsWith(`${database}/`));
  const names = [...own.map(({ name }) => name), ...written].map((name) => name.replace(/^.*\//, ""));
  const last = Math.max(0, ...names.map((name) => Number(/^\d+/.exec(name)?.[0] ?? 0)));
  return `${database}/${String(last + 1).padStart(4, "0")}-${suffix}.sql`;
}
