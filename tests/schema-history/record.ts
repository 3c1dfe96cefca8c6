/** Implements `bun run record-schema`: records the current version of each entity's declaration, with samples. */
import { Command } from "commander";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { loadProject } from "../../platform/project-file.ts";
import { findProblems } from "./check-history.ts";
import { createRecording, readRecordings, samplesFolder, writeRecording } from "./recordings.ts";

interface Options {
  readonly config?: string;
  readonly again?: true;
  readonly release?: true;
}

const program = new Command("record-schema")
  .description("records the current schema version of entities with samples, and checks all recorded versions")
  .argument("[entities...]", "names of entities; all by default")
  .option("--config <file>", "file of the project (default: LOCKSTEP_CONFIG, else lockstep.config.ts)")
  .option("--again", "record the current version again; only possible until it is released")
  .option("--release", "mark the current version as released; it can then no longer be recorded again")
  .addHelpText(
    "after",
    "\nExit status: 0 recorded or nothing to do, 1 rejected or a sample cannot be read, 2 wrong usage.",
  )
  .showHelpAfterError()
  .exitOverride((error) => process.exit(error.exitCode === 0 ? 0 : 2))
  .parse();

const options = program.opts<Options>();
const project = await loadProject(options.config);
const { entities } = project;
const folder = samplesFolder(project);
const names = program.args;
const unknown = names.filter((name) => !entities.some((entity) => entity.name === name));
if (unknown.length > 0)
  program.error(`there is no entity ${unknown.join(", ")}; declared are: ${entities.map((e) => e.name).join(", ")}`);
const chosen = entities.filter(({ name }) => names.length === 0 || names.includes(name));
process.exit(chosen.map((entity) => record(entity, options)).every(Boolean) ? 0 : 1);

/** Records one entity. @returns false when the recording is rejected, or today's code cannot read a sample. */
function record(entity: EntityDeclaration, { again, release }: Options): boolean {
  const { name, schemaVersion } = entity;
  const what = `${name} version ${schemaVersion}`;
  const before = readRecordings(name, folder).get(schemaVersion);
  if (before?.released && again)
    return reject(`${what} is released: events of it are in logs. Raise schemaVersion instead.`);
  if (!before || again) console.log(`${what} is recorded: ${writeRecording(createRecording(entity, before), folder)}`);
  else if (!release) console.log(`${what} is recorded already`);
  const recorded = readRecordings(name, folder);
  const problems = findProblems(entity, recorded);
  for (const problem of problems) console.error(problem);
  if (problems.length > 0) return false;
  if (release)
    console.log(`${what} is released: ${writeRecording({ ...recorded.get(schemaVersion)!, released: true }, folder)}`);
  return true;
}

function reject(why: string): false {
  console.error(why);
  return false;
}
