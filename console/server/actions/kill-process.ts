/** Kills a process of the local stack, to show that its supervisor restarts it and nothing is lost. */
import { readFileSync } from "node:fs";
import { RequestError } from "../../../contracts/errors.ts";
import { readStackFile, type StackEntry } from "../../../platform/stack-file.ts";

interface Entry extends StackEntry {
  readonly pid: number | null;
}

/** Kinds of processes that can be killed. Not the console: it must show what happens afterwards. */
const KINDS: readonly string[] = ["gateway", "relay", "stream", "replica"];

/**
 * Sends SIGKILL to one instance of a service.
 *
 * @param data folder of the stack; undefined when the console runs without one.
 * @returns the process id.
 * @throws {RequestError} UNAVAILABLE when the console runs without a stack; NOT_FOUND when no such process is running.
 */
export function killProcess(data: string | undefined, name: string, instance: number): number {
  if (data === undefined)
    throw new RequestError(
      "UNAVAILABLE",
      "Only processes that bun run up started can be killed here; start the stack with bun run up.",
    );
  const entries = readStackFile<{ entries: readonly Entry[] }>(data)?.entries ?? [];
  const found = entries.find(
    (entry) => entry.name === name && entry.instance === instance && KINDS.includes(entry.kind),
  );
  if (!found?.pid || !isLockstepProcess(found.pid, name))
    throw new RequestError("NOT_FOUND", `No process of ${name} ${instance} is running.`);
  process.kill(found.pid, "SIGKILL");
  return found.pid;
}

/** The stack file may be outdated, and the operating system may have given the pid to another program. */
function isLockstepProcess(pid: number, name: string): boolean {
  if (process.platform !== "linux") return true;
  try {
    const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
    return command.some((argument) => /lockstep/.test(argument)) && command.includes(name);
  } catch {
    return false;
  }
}
