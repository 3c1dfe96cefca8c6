/** `lockstep generate`: writes what follows from the declarations. */
import { relative } from "node:path";
import { createInterface } from "node:readline/promises";
import { Command } from "commander";
import { UserError } from "../contracts/errors.ts";
import type { Project } from "../contracts/project.ts";
import type { GenerateOptions } from "../generate/generate.ts";
import { parseRename, type Rename } from "../generate/renames.ts";
import { type NextFiles, nextFiles, writeFiles } from "./next-files.ts";

interface Flags {
  readonly check?: true;
  readonly contract?: true;
  readonly record?: true;
  readonly rename?: readonly string[];
}

/** The command `generate`. */
export const generateCommand = (project: Project): Command =>
  new Command("generate")
    .description(
      "writes what follows from the declarations: the next migrations of source and replicas, parts of compose.yaml, lockstep.ports.json, and new passwords in .env",
    )
    .option("--check", "writes nothing; exit status 1 when something is not generated")
    .option("--contract", "also writes the contract steps that wait: they drop and restrict")
    .option("--rename <old=new...>", "a column got another name, or a table: title=name, products.title=name")
    .option("--record", "the migrations exist already: records the declarations, and writes no migration")
    .action(async (flags: Flags) => {
      try {
        process.exitCode = await runGenerate(project, flags);
      } catch (error) {
        if (!(error instanceof UserError)) throw error;
        console.error(`lockstep: ${error.message}`);
        process.exitCode = 1;
      }
    });

/** @returns the exit status. @throws {UserError} for a change that is not possible. */
async function runGenerate(project: Project, flags: Flags): Promise<number> {
  const options: GenerateOptions = {
    renames: (flags.rename ?? []).map(parseRename),
    contract: flags.contract ?? false,
    recordOnly: flags.record ?? false,
  };
  const first = nextFiles(project, options);
  if (flags.check) return check(project, first);
  const answers = process.stdin.isTTY && !flags.record ? await askRenames(first) : [];
  const next =
    answers.length === 0 ? first : nextFiles(project, { ...options, renames: [...options.renames, ...answers] });
  const paths = writeFiles(project, next);
  console.log(reportText(next, paths, answers.length === 0));
  return 0;
}

function check(project: Project, { changed }: NextFiles): number {
  if (changed.size === 0) {
    console.log("everything is generated");
    return 0;
  }
  const files = [...changed.keys()].map((file) => relative(project.folder, file));
  console.error(
    `lockstep: the declarations have changed: run lockstep generate, and commit its files (${files.join(", ")})`,
  );
  return 1;
}

/** Asks about each column that may have got another name. */
async function askRenames({ possibleRenames }: NextFiles): Promise<Rename[]> {
  const renames: Rename[] = [];
  if (possibleRenames.length === 0) return renames;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  for (const { table, from, to } of possibleRenames) {
    if (renames.some((rename) => rename.table === table && (rename.from === from || rename.to === to))) continue;
    const answer = await terminal.question(`${table}: is ${to} the column ${from} with another name? [y/N] `);
    if (/^y(es)?$/i.test(answer.trim())) renames.push({ text: `${table}.${from}=${to}`, table, from, to });
  }
  terminal.close();
  return renames;
}

/** What was written, and what a person has to know. */
export function reportText(
  { found, notes, waiting, possibleRenames }: NextFiles,
  paths: readonly string[],
  hasNoAnswers: boolean,
): string {
  const asked = hasNoAnswers
    ? possibleRenames.map(
        ({ table, from, to }) =>
          `${table}: ${from} is gone and ${to} is new. If it is the same column, restore the files and run: lockstep generate --rename ${table}.${from}=${to}`,
      )
    : [];
  return [
    paths.length === 0 ? "nothing to generate" : `wrote ${paths.join(", ")}`,
    ...found.map((name) => `${name}: recorded as your migrations have made it`),
    ...asked,
    ...notes,
    ...(waiting.length === 0
      ? []
      : ["waiting for lockstep generate --contract:", ...waiting.map((step) => `  ${step}`)]),
    ...(paths.some((path) => path.endsWith(".sql"))
      ? ["Read the migrations. They run when the services start: replicas first, then stream, relay and gateway."]
      : []),
  ].join("\n");
}
