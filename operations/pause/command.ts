/** `lockstep pause` and `lockstep resume`. */
import type { Command } from "commander";
import type { Project } from "../../contracts/project.ts";
import { choiceParser, runVerb, type VerbFlags, verb } from "../verb.ts";
import { pausableServices, setPaused } from "./control.ts";

function withServiceArgument(command: Command, project: Project): Command {
  const names = pausableServices(project);
  return command.argument("<name>", `one of: ${names.join(", ")}`, choiceParser("service to pause", names));
}

/** The command `pause`. */
export const pauseVerb = (project: Project): Command =>
  withServiceArgument(
    verb(
      "pause",
      "stops the stream or a replica after its current batch until it is resumed; a restart keeps the pause",
    ),
    project,
  )
    .option("--reason <text>", "the reason, which the status shows")
    .action(async (name: string, flags: VerbFlags & { readonly reason?: string }) =>
      runSetPaused(project, name, flags, true, flags.reason),
    );

/** The command `resume`. */
export const resumeVerb = (project: Project): Command =>
  withServiceArgument(verb("resume", "makes the stream or a replica continue where it was paused"), project).action(
    async (name: string, flags: VerbFlags) => runSetPaused(project, name, flags, false),
  );

const runSetPaused = (project: Project, name: string, flags: VerbFlags, paused: boolean, reason?: string) =>
  runVerb(project, flags, async ({ connections }) => {
    const changed = await setPaused({ log: await connections.log(), project }, name, paused, reason);
    const state = paused ? "paused" : "running";
    const text = changed ? `${name} is ${state} now` : `${name} was ${state} already`;
    return { text, document: { name, paused, changed }, status: 0 };
  });
