/** `lockstep pause` and `lockstep resume`. */
import type { Command } from "commander";
import { replicaKey, STREAM_KEY } from "../../contracts/control.ts";
import { replicaNames } from "../../contracts/entities/index.ts";
import { oneOf, runVerb, type VerbFlags, verb } from "../verb.ts";
import { controls, tell } from "./control.ts";

const names = ["stream", ...replicaNames];
const keyOf = (name: string): string => (name === "stream" ? STREAM_KEY : replicaKey(name));

const named = (command: Command): Command =>
  command.argument("<name>", `one of: ${names.join(", ")}`, oneOf("service to pause", names));

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
    const log = await connections.log();
    const key = keyOf(name);
    const before = (await controls(log)).get(key)?.paused ?? false;
    const control = { paused, at: new Date().toISOString(), ...(reason ? { reason } : {}) };
    // Said once more it would only move the time since when.
    if (before !== paused) await tell(log, key, control);
    const state = paused ? "paused" : "running";
    const text = before === paused ? `${name} was ${state} already` : paused ? `${name} is paused` : `${name} goes on`;
    return { text, document: { name, paused, changed: before !== paused }, status: 0 };
  });
