/** Facts about processes of this machine that we did not start ourselves, or started in an earlier life. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";

/**
 * What tells a process from a later one with the same pid: its start time. Undefined when there is no such process, or
 * only its remains (a zombie).
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

/** The fields of /proc/<pid>/stat from the third on (state, parent, …, start time as the 22nd); undefined without such a process. */
function statFields(pid: number): string[] | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is the command in parentheses, and may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return undefined;
  }
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
