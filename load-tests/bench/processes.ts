/** CPU time and memory of processes, read from /proc (Linux). A server includes all its descendant processes. */
import { readdirSync, readFileSync } from "node:fs";

/** A process to measure. */
export interface WatchedProcess {
  readonly name: string;
  readonly kind: string;
  readonly pid: number;
}

/** The used fields of /proc/<pid>/stat. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** User and system time in clock ticks, including that of children that ended and were waited for. */
  readonly ticks: number;
}

/** `getconf CLK_TCK` is 100 on every Linux that Bun supports. */
const TICKS_PER_SECOND = 100;

/** Parses /proc/<pid>/stat (proc_pid_stat(5)). The command in parentheses may contain any character. */
export function parseStat(line: string): ProcessStat {
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const number = (index: number) => Number(fields[index]);
  return {
    pid: Number.parseInt(line, 10),
    parent: number(1),
    ticks: number(11) + number(12) + number(13) + number(14),
  };
}

/** A process and all its descendants. */
export function processTree(root: number, stats: readonly ProcessStat[]): ProcessStat[] {
  const tree = stats.filter(({ pid }) => pid === root);
  for (const { pid } of tree) tree.push(...stats.filter(({ parent }) => parent === pid));
  return tree;
}

const readIfPresent = <T>(read: () => T): T | undefined => {
  try {
    return read();
  } catch {
    return undefined; // The process has ended.
  }
};

const allStats = (): ProcessStat[] =>
  readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((pid) => readIfPresent(() => parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"))) ?? []);

/** CPU seconds of a process and its descendants since their start, including those that have ended. */
const cpuSecondsOf = (root: number, stats: readonly ProcessStat[]): number =>
  processTree(root, stats).reduce((sum, { ticks }) => sum + ticks, 0) / TICKS_PER_SECOND;

/** A value of /proc/<pid>/status or smaps_rollup, in MB; 0 when it cannot be read. */
const megabytes = (pid: number, file: "status" | "smaps_rollup", name: string): number => {
  const text = readIfPresent(() => readFileSync(`/proc/${pid}/${file}`, "latin1")) ?? "";
  return (1_024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0)) / 1e6;
};

/** Resources that a process used. */
export interface ProcessFigures extends WatchedProcess {
  /** Used between {@link ProcessMeter.start} and {@link ProcessMeter.stop}. */
  readonly cpuSeconds: number;
  /** One process: the most that was ever resident. A server with several processes: the largest sample. */
  readonly peakMemoryMb: number;
  /** Resident at the end. Several processes: the sum, with shared memory counted once (PSS). */
  readonly memoryMb: number;
}

/** Sampling interval for servers with several processes. Each sample blocks them for milliseconds. */
const SAMPLE_MS = 5_000;

/** Measures resources between {@link ProcessMeter.start} and {@link ProcessMeter.stop}. */
export class ProcessMeter {
  private cpuBefore: number[] = [];
  private readonly peaks = new Map<number, number>();
  private timer: Timer | undefined;

  constructor(private readonly watched: readonly WatchedProcess[]) {}

  start(): void {
    const stats = allStats();
    this.cpuBefore = this.watched.map(({ pid }) => cpuSecondsOf(pid, stats));
    this.timer = setInterval(() => {
      const now = allStats();
      for (const { pid } of this.watched) if (processTree(pid, now).length > 1) this.sample(pid, now);
    }, SAMPLE_MS);
  }

  stop(): ProcessFigures[] {
    clearInterval(this.timer);
    const stats = allStats();
    return this.watched.map((process, i) => {
      const memoryMb = this.sample(process.pid, stats);
      const isSingle = processTree(process.pid, stats).length === 1;
      return {
        ...process,
        // After a restart the process has less CPU time than before. The time of the earlier process is unknown.
        cpuSeconds: Math.max(0, cpuSecondsOf(process.pid, stats) - (this.cpuBefore[i] ?? 0)),
        peakMemoryMb: isSingle ? megabytes(process.pid, "status", "VmHWM") : (this.peaks.get(process.pid) ?? 0),
        memoryMb,
      };
    });
  }

  private sample(root: number, stats: readonly ProcessStat[]): number {
    const now = memoryMbOf(root, stats);
    this.peaks.set(root, Math.max(now, this.peaks.get(root) ?? 0));
    return now;
  }
}

/** Resident memory in MB; 0 when the process has ended. Several processes: shared memory counts once (PSS). */
export function memoryMbOf(root: number, stats: readonly ProcessStat[] = allStats()): number {
  const tree = processTree(root, stats);
  const [only, another] = tree;
  return only && !another
    ? megabytes(only.pid, "status", "VmRSS")
    : tree.reduce((sum, { pid }) => sum + megabytes(pid, "smaps_rollup", "Pss"), 0);
}
