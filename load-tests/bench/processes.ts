/** What the stack's processes use, read from /proc (Linux). A server counts with all the processes below it. */
import { readdirSync, readFileSync } from "node:fs";

export interface Watched {
  readonly name: string;
  readonly kind: string;
  readonly pid: number;
}

export interface Stat {
  readonly pid: number;
  readonly parent: number;
  /** Clock ticks: own user and system time, and that of children that ended and were waited for. */
  readonly ticks: number;
}

/** Ticks in a second: `getconf CLK_TCK` is 100 on every Linux that Bun runs on. */
const TICKS_PER_SECOND = 100;

/** Reads a line of /proc/<pid>/stat (proc_pid_stat(5)). The command, in parentheses, may hold anything. */
export function parseStat(line: string): Stat {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const number = (index: number) => Number(fields[index]);
  return {
    pid: Number.parseInt(line, 10),
    parent: number(1),
    ticks: number(11) + number(12) + number(13) + number(14),
  };
}

/** A process and all below it. */
export function treeOf(root: number, stats: readonly Stat[]): Stat[] {
  const found = stats.filter(({ pid }) => pid === root);
  for (const { pid } of found) found.push(...stats.filter(({ parent }) => parent === pid));
  return found;
}

const readable = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch {
    return undefined; // The process ended meanwhile.
  }
};

const allStats = (): Stat[] =>
  readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => readable(() => parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"))) ?? []);

/** User and system time since a process began, in seconds, with that of the processes below it, ended ones too. */
const cpuSecondsOf = (root: number, stats: readonly Stat[]): number =>
  treeOf(root, stats).reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;

/** A line of /proc/<pid>/status or smaps_rollup, in MB; 0 when it is not to be had. */
const megabytes = (pid: number, file: "status" | "smaps_rollup", name: string): number => {
  const text = readable(() => readFileSync(`/proc/${pid}/${file}`, "latin1")) ?? "";
  return (1_024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0)) / 1e6;
};

export interface ProcessFigures extends Watched {
  /** Used between {@link ProcessMeter.start} and {@link ProcessMeter.stop}. */
  readonly cpuSeconds: number;
  /** Of one process: the most that was ever resident. Of a server of several: the most of the samples. */
  readonly peakMemoryMb: number;
  /** Resident at the end; of a server of several processes with what they share counted once (PSS). */
  readonly memoryMb: number;
}

/** How often servers of several processes are sampled. Rarely: reading their page tables holds them up for milliseconds. */
const SAMPLE_MS = 5_000;

/** Measures what processes use from start to stop. */
export class ProcessMeter {
  private cpuBefore: number[] = [];
  private readonly peaks = new Map<number, number>();
  private timer: Timer | undefined;

  constructor(private readonly watched: readonly Watched[]) {}

  start(): void {
    const stats = allStats();
    this.cpuBefore = this.watched.map(({ pid }) => cpuSecondsOf(pid, stats));
    this.timer = setInterval(() => {
      const now = allStats();
      for (const { pid } of this.watched) if (treeOf(pid, now).length > 1) this.sample(pid, now);
    }, SAMPLE_MS);
  }

  stop(): ProcessFigures[] {
    clearInterval(this.timer);
    const stats = allStats();
    return this.watched.map((one, i) => {
      const memoryMb = this.sample(one.pid, stats);
      const single = treeOf(one.pid, stats).length === 1;
      return {
        ...one,
        // A process that was started anew in between has less than before; what the earlier one used is not known.
        cpuSeconds: Math.max(0, cpuSecondsOf(one.pid, stats) - (this.cpuBefore[i] ?? 0)),
        peakMemoryMb: single ? megabytes(one.pid, "status", "VmHWM") : (this.peaks.get(one.pid) ?? 0),
        memoryMb,
      };
    });
  }

  private sample(root: number, stats: readonly Stat[]): number {
    const now = memoryMbOf(root, stats);
    this.peaks.set(root, Math.max(now, this.peaks.get(root) ?? 0));
    return now;
  }
}

/** Resident now; of a server of several processes with what they share counted once (PSS). 0 for a process that is gone. */
export function memoryMbOf(root: number, stats: readonly Stat[] = allStats()): number {
  const tree = treeOf(root, stats);
  const [only, another] = tree;
  return only && !another
    ? megabytes(only.pid, "status", "VmRSS")
    : tree.reduce((sum, { pid }) => sum + megabytes(pid, "smaps_rollup", "Pss"), 0);
}
