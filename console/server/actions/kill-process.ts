/** Ends a process of the stack at once, as a power cut would: its supervisor starts it again. */
import { readFileSync } from "node:fs";
import { RequestError } from "../../../contracts/errors.ts";
import { readStackFile, type StackEntry } from "../../../platform/stack-file.ts";

interface Entry extends StackEntry {
  readonly pid: number | null;
}

/** Services only, and not this one: who is to show what happens must see it. */
const KINDS: readonly string[] = ["gateway", "relay", "stream", "replica"];

/** @returns its pid. @throws {RequestError} UNAVAILABLE when this console belongs to no stack of this machine, NOT_FOUND. */
export function kill(data: string | undefined, name: string, instance: number): number {
  if (data === undefined)
    throw new RequestError(
      "UNAVAILABLE",
      "Only a stack that bun run up started lets its processes be ended from here.",
    );
  const entries = readStackFile<{ entries: readonly Entry[] }>(data)?.entries ?? [];
  const found = entries.find(
    (entry) => entry.name === name && entry.instance === instance && KINDS.includes(entry.kind),
  );
  if (!found?.pid || !isLockstep(found.pid, name))
    throw new RequestError("NOT_FOUND", `No process of ${name} ${instance} runs now.`);
  process.kill(found.pid, "SIGKILL");
  return found.pid;
}

/** The file may be a moment old, and the pid somebody else's by now. */
function isLockstep(pid: number, name: string): boolean {
  if (process.platform !== "linux") return true;
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return command.some((argument) => /lockstep/.test(argument)) && command.includes(name);
  } catch {
    return false;
  }
}
