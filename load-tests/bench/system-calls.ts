/**
 * Counts the system calls of processes with `perf stat`, which needs the rights to trace (root, as a rule). Counting is
 * cheap, but not free, so it does not take place while CPU time is measured.
 */
import { pidsOf, type WatchedProcess } from "./processes.ts";

const EVENT = "raw_syscalls:sys_enter";

/** The count in the output of `perf stat -x,`; undefined when the event was not available. 0 for an idle process. */
export function parsePerfCount(output: string): number | undefined {
  for (const line of output.split("\n")) {
    const [value = "", , event] = line.split(",");
    if (event !== EVENT) continue;
    if (value === "<not counted>") return 0;
    return /^\d+$/.test(value) ? Number(value) : undefined;
  }
  return undefined;
}

/**
 * Counts for some seconds.
 *
 * @returns system calls by name of the process. Processes that could not be traced are left out; without perf, all are.
 */
export async function countSystemCalls(
  watched: readonly WatchedProcess[],
  seconds: number,
): Promise<Map<string, number>> {
  const counts = new Map<string, number>();
  const perf = Bun.which("perf");
  if (!perf) return counts;
  await Promise.all(
    watched.map(async (process) => {
      const count = await countOf(perf, process, seconds);
      if (count !== undefined) counts.set(process.name, count);
    }),
  );
  return counts;
}

/** perf fails at once when a process ended after it was listed, as a short-lived backend of PostgreSQL. */
const ATTEMPTS = 3;

async function countOf(perf: string, process: WatchedProcess, seconds: number): Promise<number | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const pids = pidsOf(process).join(",");
    if (!pids) return undefined;
    const command = [perf, "stat", "-e", EVENT, "-x,", "-p", pids, "--", "sleep", String(seconds)];
    const child = Bun.spawn(command, { stdio: ["ignore", "ignore", "pipe"] });
    const count = parsePerfCount(await new Response(child.stderr).text());
    if ((await child.exited) === 0 && count !== undefined) return count;
  }
  return undefined;
}
