/**
 * Writes the files of adopted tables into a project. Each file is written whole or not at all, and the project's file
 * last: a run that was killed is completed by the next one. A file that exists stays as it is.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import { captureMigration } from "./capture-migration.ts";
import type { Type } from "./catalog.ts";
import { relationText } from "./catalog.ts";
import { declarationFile, exportLine } from "./declaration-source.ts";
import type { PlannedEntity } from "./plan.ts";
import { replicaTableMigration } from "./replica-table.ts";

/** What was written. Paths start in the project's folder. */
export interface WrittenFiles {
  readonly written: readonly string[];
  /** Files that were there already. */
  readonly kept: readonly string[];
  /** What a person has to add to the project's file, when it could not be edited; undefined: nothing. */
  readonly toDo: string | undefined;
}

/** Exports all adopted entities. */
const ADOPTED = "entities/adopted.ts";

/**
 * @param projectFile path of lockstep.config.ts, which may not exist yet.
 * @throws {UserError} when a declaration file of the same name declares something else. Nothing is written then.
 */
export function writeProjectFiles(
  projectFile: string,
  entities: readonly PlannedEntity[],
  types: ReadonlyMap<number, Type>,
): WrittenFiles {
  const folder = dirname(projectFile);
  const written: string[] = [];
  const kept: string[] = [];
  const declarations = entities.map((entity) => ({ entity, file: declarationFile(entity, types) }));
  for (const { entity, file } of declarations) rejectOtherDeclaration(folder, `entities/${file.name}.ts`, entity);
  const write = (path: string, text: string) => {
    if (existsSync(join(folder, path))) kept.push(path);
    else {
      writeWhole(join(folder, path), text);
      written.push(path);
    }
  };
  for (const { entity, file } of declarations) {
    for (const replica of entity.replicas)
      write(migrationPath(folder, replica, entity.plural), replicaTableMigration(entity, types));
    write(migrationPath(folder, "source", `capture-${entity.plural}`), captureMigration(entity));
    write(`entities/${file.name}.ts`, file.text);
  }
  if (declarations.length === 0) return { written, kept, toDo: undefined };
  if (
    addExports(
      join(folder, ADOPTED),
      declarations.map(({ file }) => exportLine(file)),
    )
  )
    written.push(ADOPTED);
  const before = existsSync(projectFile) ? readFileSync(projectFile, "utf8") : undefined;
  const after = projectFileText(before);
  if (after !== undefined && after !== before) {
    writeWhole(projectFile, after);
    written.push(basename(projectFile));
  }
  return { written, kept, toDo: after === undefined ? toDoText(basename(projectFile)) : undefined };
}

const firstLine = (text: string): string => text.slice(0, text.indexOf("\n"));

function rejectOtherDeclaration(folder: string, path: string, entity: PlannedEntity): void {
  const file = join(folder, path);
  if (existsSync(file) && !firstLine(readFileSync(file, "utf8")).includes(` ${relationText(entity.relation)}.`))
    throw new UserError(
      `${file} exists and does not declare the table ${relationText(entity.relation)}; move or rename it, then run this command again`,
    );
}

/** A file is never seen half written. */
function writeWhole(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  const draft = `${file}.draft`;
  writeFileSync(draft, text);
  renameSync(draft, file);
}

/** Path of a numbered migration: that of the file with this name, else one with the next number. */
function migrationPath(folder: string, database: string, name: string): string {
  const place = `migrations/${database}`;
  const files = existsSync(join(folder, place)) ? readdirSync(join(folder, place)) : [];
  const existing = files.find((file) => file.replace(/^\d+-/, "") === `${name}.sql`);
  if (existing) return `${place}/${existing}`;
  const last = Math.max(0, ...files.map((file) => Number(/^\d+/.exec(file)?.[0] ?? 0)));
  return `${place}/${String(last + 1).padStart(4, "0")}-${name}.sql`;
}

/** @returns whether lines were added. */
function addExports(file: string, lines: readonly string[]): boolean {
  const head = "/** Entities of tables that `lockstep adopt` has declared. */\n";
  const text = existsSync(file) ? readFileSync(file, "utf8") : head;
  const missing = lines.filter((line) => !text.includes(line));
  if (missing.length > 0) writeWhole(file, `${text}${missing.join("\n")}\n`);
  return missing.length > 0;
}

const NEW_PROJECT = `/** What Lockstep keeps in step: the entities of this project, and the replicas that each of them names. */
import { defineProject } from "lockstep";
import * as adopted from "./entities/adopted.ts";

export default defineProject({
  entities: Object.values(adopted),
  // source/*.sql runs in the source's database, the other folders in the database of the replica with their name.
  migrations: new URL("./migrations/", import.meta.url),
});
`;

/**
 * Adds the adopted entities to the text of a project's file. Pure.
 *
 * @returns undefined when it is not clear where they belong.
 */
export function projectFileText(text: string | undefined): string | undefined {
  if (text === undefined) return NEW_PROJECT;
  if (text.includes("./entities/adopted.ts")) return text;
  const entities = withAdopted(text);
  if (entities === undefined) return undefined;
  const migrations = /\bmigrations\b\s*[:,]/.test(entities)
    ? entities
    : entities.replace(
        /^([ \t]*)entities:.*\],?[ \t]*$/m,
        (line, indent: string) => `${line}\n${indent}migrations: new URL("./migrations/", import.meta.url),`,
      );
  const imports = [...migrations.matchAll(/^(?:import\b|\} from\b).*;[ \t]*\n/gm)].at(-1);
  const at = imports ? imports.index + imports[0].length : 0;
  return `${migrations.slice(0, at)}import * as adopted from "./entities/adopted.ts";\n${migrations.slice(at)}`;
}

function withAdopted(text: string): string | undefined {
  const list = /\bentities:\s*\[\s*/.exec(text);
  if (list) {
    const rest = text.slice(list.index + list[0].length);
    const separator = rest.startsWith("]") ? "" : ", ";
    return `${text.slice(0, list.index)}entities: [...Object.values(adopted)${separator}${rest}`;
  }
  const name = /\bentities(?::\s*([A-Za-z_$][\w$]*))?\s*,/.exec(text);
  if (!name) return undefined;
  return `${text.slice(0, name.index)}entities: [...${name[1] ?? "entities"}, ...Object.values(adopted)],${text.slice(name.index + name[0].length)}`;
}

const toDoText = (file: string): string =>
  `add the entities to ${file} yourself: import * as adopted from "./${ADOPTED}", and ...Object.values(adopted) in the list of entities`;
