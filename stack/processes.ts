/** Inspects and ends processes of this machine, also those that are not our children. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { sleep } from "../platform/async/sleep.ts";

const POLL_MS = 20;

/**
 * The start time of a process, which distinguishes it from a later process with the same pid. Undefined when there is
 * no such process, or only a zombie.
 */
export function identityOf(pid: number): string | undefined {
  if (process.platform === "linux") {
    const fields = statFields(pid);
    return fields?.[0] === "Z" ? undefined : fields?.[19];
  }
  const { status, stdout } = spawnSync("ps", ["-o", "lstart=", "-p", String(pid)], { encoding: "utf8" });
  return status === 0 && stdout.trim() !== "" ? stdout.trim() : undefined;
}

/** The command line of a process; empty when there is no such process. */
export function commandOf(pid: number): string {
  if (process.platform === "linux") {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
    } catch {
      return "";
    }
  }
  return spawnSync("ps", ["-o", "command=", "-p", String(pid)], { encoding: "utf8" }).stdout?.trim() ?? "";
}

/** The pid of a process's parent; undefined when there is no such process. */
export function parentOf(pid: number): number | undefined {
  if (process.platform !== "linux")
    return Number(spawnSync("ps", ["-o", "ppid=", "-p", String(pid)], { encoding: "utf8" }).stdout) || undefined;
  const fields = statFields(pid);
  return fields && Number(fields[1]);
}

/**
 * The fields of /proc/<pid>/stat from the third on: state, parent, …, with the start time as field 22 (proc(5)).
 * Undefined when there is no such process.
 */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Field 2 is the command in parentheses. It may itself contain spaces and parentheses.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
}

/** A reference to one process that stays valid when its pid is reused. */
export interface ProcessRef {
  readonly pid: number;
  /** From {@link identityOf}. */
  readonly identity: string | undefined;
}

/** True while this process runs. A later process with the same pid does not count. */
export const isRunning = ({ pid, identity }: ProcessRef): boolean =>
  identity !== undefined && identityOf(pid) === identity;

/**
 * Ends a process that need not be our child, and resolves when it is gone. Sends SIGKILL after `graceMs` milliseconds.
 *
 * @returns false when the process was not running.
 * @throws {Error} when this user may not send it signals.
 */
export async function terminate(target: ProcessRef, signal: NodeJS.Signals, graceMs: number): Promise<boolean> {
  if (!isRunning(target)) return false;
  send(target.pid, signal);
  const deadline = Date.now() + graceMs;
  let wasKilled = false;
  // No time limit: SIGKILL cannot be ignored.
  while (isRunning(target)) {
    if (!wasKilled && Date.now() > deadline) {
      send(target.pid, "SIGKILL");
      wasKilled = true;
    }
    await sleep(POLL_MS);
  }
  return true;
}

/** Ignores a process that has ended in the meantime. */
function send(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}
