/** `lockstep unadopt`. */
import type { Command } from "commander";
import { UserError } from "../../contracts/errors.ts";
import type { Project } from "../../contracts/project.ts";
import { integerParser, runVerb, type VerbFlags, verb } from "../verb.ts";
import { type UnadoptResult, unadopt } from "./unadopt.ts";

interface Flags extends VerbFlags {
  readonly all?: true;
  readonly force?: true;
  readonly within: number;
}

/** The command `unadopt`. */
export const unadoptVerb = (project: Project): Command =>
  verb(
    "unadopt",
    "removes Lockstep from tables of the source: triggers, functions, versions; no row of theirs changes; " +
      "says what remains elsewhere, and how to remove it",
  )
    .argument("[tables...]", "tables or entities")
    .option("--all", "all tables, and everything else that Lockstep has in the source")
    .option("--force", "also while services run, and drops changes that the log does not have")
    .option(
      "--within <seconds>",
      "longest wait for the relay, and for the lock of each table, in seconds",
      integerParser(1, 86_400),
      60,
    )
    .action(async (names: string[], flags: Flags) =>
      runVerb(project, flags, async ({ connections, progress, signal }) => {
        if (names.length === 0 && !flags.all)
          throw new UserError("name the tables or entities, or use --all", "NOTHING_SELECTED");
        const result = await unadopt(connections.addresses.source, project, {
          names: flags.all ? undefined : names,
          force: flags.force ?? false,
          timeoutMs: flags.within * 1_000,
          signal,
          progress,
        });
        return { text: unadoptText(result), document: result, status: 0 };
      }),
    );

/** The result for people. */
export function unadoptText({ removed, uninstalled, droppedChanges, remains }: UnadoptResult): string {
  const { topics, replicas, files } = remains;
  return [
    ...removed.map(({ relation, entity }) => `- ${relation} is no longer captured (it was ${entity})`),
    uninstalled ? "nothing of Lockstep is left in the source" : "",
    removed.length === 0 && !uninstalled ? "nothing of Lockstep was in the source" : "",
    droppedChanges > 0 ? `! ${droppedChanges} changes were dropped that the log does not have` : "",
    ...(files.length > 0
      ? [
          "",
          `Delete these files, and the lines that import them, before a service starts again: it would capture the tables again. ${files.join(", ")}`,
        ]
      : []),
    ...(topics.length > 0 ? [`These topics remain until you delete them at the brokers: ${topics.join(", ")}`] : []),
    ...Object.entries(replicas).flatMap(([replica, statements]) => [
      `The replica ${replica} keeps its rows until you run this in its database:`,
      ...statements.map((statement) => `  ${statement}`),
    ]),
  ]
    .filter((line, i) => line !== "" || i > 0)
    .join("\n")
    .trim();
}
