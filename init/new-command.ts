/** `lockstep new entity` and `lockstep new replica`: add to the declarations, then generate what follows. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { Command } from "commander";
import { UserError } from "../contracts/errors.ts";
import type { Project } from "../contracts/project.ts";
import { projectFileOf } from "../platform/project-file.ts";
import { programArguments } from "../stack/program.ts";
import { declarationText, fileNameOf, pluralOf, withEntity, withReplica } from "./declarations.ts";

interface EntityFlags {
  readonly plural?: string;
  readonly generate: boolean;
}

interface ReplicaFlags {
  readonly entity?: readonly string[];
  readonly generate: boolean;
}

/** The command `new`. */
export const newCommand = (project: Project): Command =>
  new Command("new")
    .description("adds an entity or a replica: writes its declaration, and what lockstep generate writes")
    .addCommand(
      new Command("entity")
        .description("adds an entity to the project")
        .argument("<name>", "singular: customer")
        .option("--plural <name>", "name of its table, topics and URLs; default: the English plural")
        .option("--no-generate", "writes the declaration only, to be completed before lockstep generate")
        .action((name: string, flags: EntityFlags, command: Command) =>
          ending(command, flags.generate, (file) => newEntity(project, file, name, flags.plural)),
        ),
    )
    .addCommand(
      new Command("replica")
        .description("adds a replica that keeps all members of these entities but the private ones")
        .argument("<name>", "name of the replica, its database and its service: catalog")
        .option("--entity <names...>", "entities that it keeps; default: all")
        .option("--no-generate", "writes the declaration only, to be completed before lockstep generate")
        .action((name: string, flags: ReplicaFlags, command: Command) =>
          ending(command, flags.generate, (file) => newReplica(project, file, name, flags.entity)),
        ),
    );

/** Adds a declaration, and generates in a new process: this one has loaded the declarations before. */
async function ending(command: Command, isGenerated: boolean, add: (projectFile: string) => string[]): Promise<void> {
  const { config } = command.optsWithGlobals<{ config?: string }>();
  const projectFile = projectFileOf(config);
  try {
    console.log(`wrote ${add(projectFile).join(", ")}`);
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.error(`lockstep: ${error.message}`);
    process.exitCode = 1;
    return;
  }
  if (!isGenerated) return;
  const child = Bun.spawn([process.execPath, ...programArguments, "--config", projectFile, "generate"], {
    stdio: ["inherit", "inherit", "inherit"],
  });
  process.exitCode = await child.exited;
}

/** @returns the files that were written. @throws {UserError} for a name that is taken or of another form. */
export function newEntity(
  { entities, replicaNames }: Pick<Project, "entities" | "replicaNames">,
  projectFile: string,
  name: string,
  plural = pluralOf(name),
): string[] {
  if (!/^[a-z][A-Za-z0-9-]*$/.test(name))
    throw new UserError(
      `${name}: the name of an entity begins with a small letter and has letters, digits and hyphens`,
    );
  if (entities.some((entity) => entity.name === name || entity.plural === plural))
    throw new UserError(`the project has an entity ${name} or ${plural} already; choose another name or --plural`);
  const folder = dirname(projectFile);
  const path = `entities/${fileNameOf(name)}.ts`;
  if (existsSync(join(folder, path))) throw new UserError(`${join(folder, path)} exists already; choose another name`);
  const before = readFileSync(projectFile, "utf8");
  const after = withEntity(before, name, path);
  if (after === undefined)
    throw new UserError(
      `${projectFile} has no list \`entities: […]\`; write it there, or add the entity by hand (docs/build/first-entity.md)`,
    );
  const replicas = replicaNames.length > 0 ? replicaNames : ["copy"];
  mkdirSync(join(folder, "entities"), { recursive: true });
  writeFileSync(join(folder, path), declarationText({ name, plural, replicas }));
  writeFileSync(projectFile, after);
  return [path, relative(folder, projectFile)];
}

/** @returns the files that were written. @throws {UserError} for a name that is taken, or a declaration that is not found. */
export function newReplica(
  { entities, replicaNames }: Pick<Project, "entities" | "replicaNames">,
  projectFile: string,
  name: string,
  names: readonly string[] = entities.map((entity) => entity.name),
): string[] {
  if (!/^[a-z][a-z0-9-]{0,39}$/.test(name) || ["source", "gateway", "relay", "stream", "console"].includes(name))
    throw new UserError(
      `${name}: the name of a replica begins with a letter, has small letters, digits and hyphens, and is not the name of a service`,
    );
  if (replicaNames.includes(name)) throw new UserError(`the project has a replica ${name} already`);
  const folder = dirname(projectFile);
  const texts = new Map(sourceFiles(folder).map((file) => [file, readFileSync(file, "utf8")]));
  const changed = new Set<string>();
  for (const entity of names) {
    if (!entities.some((one) => one.name === entity)) throw new UserError(`the project has no entity ${entity}`);
    const found = [...texts].find(([, text]) => withReplica(text, entity, name) !== undefined);
    if (!found)
      throw new UserError(`the declaration of ${entity} was not found; add to its replicas by hand: ${name}: {}`);
    texts.set(found[0], withReplica(found[1], entity, name)!);
    changed.add(found[0]);
  }
  for (const file of changed) writeFileSync(file, texts.get(file)!);
  return [...changed].map((file) => relative(folder, file));
}

/** The TypeScript files of a project, those of its packages left out. */
function sourceFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.name.startsWith(".") || entry.name === "node_modules") return [];
    if (entry.isDirectory()) return sourceFiles(join(folder, entry.name));
    return /(?<!\.test)\.ts$/.test(entry.name) ? [join(folder, entry.name)] : [];
  });
}
