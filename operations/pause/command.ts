/** `lockstep pause` and `lockstep resume`. */
import type { Command } from "commander";
import { choiceParser, runVerb, type VerbFlags, verb } from "../verb.ts";
import { pausableServices, setPaused } from "./control.ts";

const named = (command: Command): Command =>
  command.argument(
    "<name>",
    `one of: ${pausableServices.join(", ")}`,
    choiceParser("service to pause", pausableServices),
  );

export const pauseVerb = (): Command =>
  named(
    verb(
      "pause",
      "makes the stream or a replica finish what it has in hand and take no more, until resumed; also after a restart",
    ),
  )
    .option("--reason <text>", "why, for whoever looks at the status")
    .action(async (name: string, flags: VerbFlags & { readonly reason?: string }) =>
      said(name, flags, true, flags.reason),
    );

export const resumeVerb = (): Command =>
  named(verb("resume", "lets the stream or a replica go on exactly where it was")).action(
    async (name: string, flags: VerbFlags) => said(name, flags, false),
  );

const said = (name: string, flags: VerbFlags, paused: boolean, reason?: string) =>
  runVerb(flags, async ({ connections }) => {
    const changed = await setPaused(await connections.log(), name, paused, reason);
    const state = paused ? "paused" : "running";
    const text = !changed ? `${name} was ${state} already` : paused ? `${name} is paused` : `${name} goes on`;
    return { text, document: { name, paused, changed }, status: 0 };
  });
