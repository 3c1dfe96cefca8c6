/** `lockstep pause` and `lockstep resume`. */
import type { Command } from "commander";
import { choiceParser, runVerb, type VerbFlags, verb } from "../verb.ts";
import { pausableServices, setPaused } from "./control.ts";

const withServiceArgument = (command: Command): Command =>
  command.argument(
    "<name>",
    `one of: ${pausableServices.join(", ")}`,
    choiceParser("service to pause", pausableServices),
  );

/** The command `pause`. */
export const pauseVerb = (): Command =>
  withServiceArgument(
    verb(
      "pause",
      "stops the stream or a replica after its current batch until it is resumed; a restart keeps the pause",
    ),
  )
    .option("--reason <text>", "the reason, which the status shows")
    .action(async (name: string, flags: VerbFlags & { readonly reason?: string }) =>
      runSetPaused(name, flags, true, flags.reason),
    );

/** The command `resume`. */
export const resumeVerb = (): Command =>
  withServiceArgument(verb("resume", "makes the stream or a replica continue where it was paused")).action(
    async (name: string, flags: VerbFlags) => runSetPaused(name, flags, false),
  );

const runSetPaused = (name: string, flags: VerbFlags, paused: boolean, reason?: string) =>
  runVerb(flags, async ({ connections }) => {
    const changed = await setPaused(await connections.log(), name, paused, reason);
    const state = paused ? "paused" : "running";
    const text = changed ? `${name} is ${state} now` : `${name} was ${state} already`;
    return { text, document: { name, paused, changed }, status: 0 };
  });
