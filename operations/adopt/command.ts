/** `lockstep adopt`. */
import type { Command } from "commander";
import { UserError } from "../../contracts/errors.ts";
import type { Project } from "../../contracts/project.ts";
import { type LoadSourceMigrations, ownSourceMigrations } from "../../pipeline/source-migrations.ts";
import { projectFileOf } from "../../platform/project-file.ts";
import { integerParser, runVerb, type VerbContext, type VerbFlags, type VerbResult, verb } from "../verb.ts";
import { adoptedEntities, applyAdoption } from "./apply.ts";
import { prepareAdoption } from "./prepare.ts";
import { applyStatus, applyText, preparationDocument, preparationText } from "./report.ts";

interface Flags extends VerbFlags {
  readonly all?: true;
  readonly schema?: readonly string[];
  readonly children?: readonly string[];
  readonly truncate?: readonly string[];
  readonly replica?: readonly string[];
  readonly dryRun?: true;
  readonly apply?: true;
  readonly yes?: true;
  readonly rate: number;
  readonly within: number;
  readonly verify: boolean;
}

/** The command `adopt`. */
export const adoptVerb = (loadMigrations: LoadSourceMigrations, project: Project): Command =>
  verb(
    "adopt",
    "takes tables of a live source into the project: writes their declarations and migrations for you to read; " +
      "with --apply installs capture beside the writers, sends all rows and compares; continues where it was interrupted",
  )
    .argument("[tables...]", "tables to adopt, with their schema; with --apply: only these tables or entities")
    .option("--all", "all tables of all schemas")
    .option("--schema <names...>", "all tables of these schemas")
    .option("--children <tables...>", "make the rows of these tables part of their parents' documents")
    .option("--truncate <tables...>", "let TRUNCATE of these tables delete each entity, instead of rejecting it")
    .option(
      "--replica <names...>",
      "replicas that get the tables; default: the project's only one, else a new one, copy",
    )
    .option("--dry-run", "only say what would be adopted")
    .option("--apply", "second step: install capture, send all rows, compare")
    .option("--yes", "run both steps at once, without a pause to read the files")
    .option("--no-verify", "with --apply: do not compare at the end")
    .option(
      "--rate <rows>",
      "most rows per second; fewer while the outbox is busy",
      integerParser(1, 1_000_000),
      100_000,
    )
    .option("--within <seconds>", "longest wait for the lock of a table, in seconds", integerParser(1, 86_400), 600)
    .action(async (tables: string[], flags: Flags, command: Command) => {
      const { config } = command.optsWithGlobals<{ config?: string }>();
      if (flags.apply) return runVerb(project, flags, (context) => apply(context, loadMigrations, tables, flags));
      await runVerb(project, flags, async (context) => {
        const own = ownSourceMigrations(await loadMigrations());
        const result = await prepare(context, { own, tables, flags, projectFile: projectFileOf(config) });
        if (!flags.yes || flags.dryRun || result.status !== 0) return result;
        return applyInNewProcess(context, result, config, flags);
      });
    });

interface Preparing {
  readonly own: Parameters<typeof prepareAdoption>[0]["own"];
  readonly tables: readonly string[];
  readonly flags: Flags;
  readonly projectFile: string;
}

async function prepare(
  { connections, project }: VerbContext,
  { own, tables, flags, projectFile }: Preparing,
): Promise<VerbResult> {
  const { addresses } = connections;
  if (addresses.source === "") throw new UserError("the source has not started yet: see bun run status");
  const { schema = [], children = [], truncate = [], replica = [], all = false, dryRun = false } = flags;
  const selection = { tables, schemas: schema, all, children, truncate, replicas: replica, dryRun };
  const preparation = await prepareAdoption({ url: addresses.source, project, projectFile, own }, selection);
  const { plan, files } = preparation;
  // A table that was named must be adopted. With a schema or all tables, refusals are part of the answer.
  const isRefused = tables.length > 0 && plan.refused.length > 0;
  return {
    text: preparationText(preparation),
    document: preparationDocument(preparation),
    status: isRefused || files?.toDo !== undefined ? 1 : 0,
  };
}

async function apply(
  context: VerbContext,
  loadMigrations: LoadSourceMigrations,
  names: readonly string[],
  flags: Flags,
): Promise<VerbResult> {
  const adopted = adoptedEntities(context.project);
  const isNamed = ({ name, plural, table }: (typeof adopted)[number]) =>
    [name, plural, table.name, `${table.schema ?? "public"}.${table.name}`].some((one) => names.includes(one));
  const entities = names.length === 0 ? adopted : adopted.filter(isNamed);
  if (entities.length === 0)
    throw new UserError("the project has no adopted table: run lockstep adopt TABLE… first", "NOTHING_ADOPTED");
  const result = await applyAdoption(context, ownSourceMigrations(await loadMigrations()), entities, flags);
  return { text: applyText(result), document: result, status: applyStatus(result) };
}

/** This process has loaded the project before the new declarations were written, so another one applies them. */
async function applyInNewProcess(
  { signal, print }: VerbContext,
  first: VerbResult,
  config: string | undefined,
  flags: Flags,
): Promise<VerbResult> {
  print(first.text);
  const program = Bun.main.startsWith("/$bunfs/") ? [] : [Bun.main];
  const options = [...(config ? ["--config", config] : []), "--data", flags.data, ...(flags.json ? ["--json"] : [])];
  const numbers = ["--rate", String(flags.rate), "--within", String(flags.within)];
  const verify = flags.verify ? [] : ["--no-verify"];
  const child = Bun.spawn([process.execPath, ...program, "adopt", "--apply", ...options, ...numbers, ...verify], {
    stdout: flags.json ? "pipe" : "inherit",
    stderr: "inherit",
    signal,
  });
  const text = flags.json ? await new Response(child.stdout).text() : "";
  const exitStatus = await child.exited;
  const status = exitStatus === 0 || exitStatus === 3 ? exitStatus : 1;
  const applied: unknown = text.trim() ? JSON.parse(text) : null;
  return { text: "", document: { prepared: first.document, applied }, status };
}
