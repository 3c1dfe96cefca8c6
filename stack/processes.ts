/** Facts about processes of this machine that we did not start ourselves, or started in an earlier life. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * What tells a process from a later one with the same pid: its start time. Undefined when there is no such process, or
 * only its remains (a zombie).
 */
export function identityOf(pid: number): string | undefined {
  if (process.platform === "linux") {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
      // The second field is the command in parentheses and may hold anything; after it come state (3rd) … start time (22nd).
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return fields[0] === "Z" ? undefined : fields[19];
    } catch {
      return undefined;
    }
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

/** A process as a file remembers it. */
export interface KnownProcess {
  readonly pid: number;
  readonly identity: string | undefined;
}

/** True while that very process runs; a later one that got its pid does not count. */
export const stillRuns = ({ pid, identity }: KnownProcess): boolean =>
  identity !== undefined && identityOf(pid) === identity;

/**
 * Ends a process that is not our child.
 *
 * @returns whether it ran at all. Resolves when it is gone; after `graceMs` SIGKILL is sent.
 */
export async function endProcess(known: KnownProcess, signal: NodeJS.Signals, graceMs: number): Promise<boolean> {
  if (!stillRuns(known)) return false;
  const send = (s: NodeJS.Signals) => {
    try {
      process.kill(known.pid, s);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  send(signal);
  const deadline = Date.now() + graceMs;
  let killed = false;
  while (stillRuns(known)) {
    if (!killed && Date.now() > deadline) {
      send("SIGKILL");
      killed = true;
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return true;
}
