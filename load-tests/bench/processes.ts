/**
 * CPU time, context switches and memory of processes, read from /proc (Linux). A server includes all its descendant
 * processes.
 */
import { readdirSync, readFileSync } from "node:fs";

/** A process to measure. */
export interface WatchedProcess {
  readonly name: string;
  readonly kind: string;
  readonly pid: number;
  /** True: without its descendants, which are measured by themselves. Default: false. */
  readonly isAlone?: boolean;
}

/** The used fields of /proc/<pid>/stat. Times are in clock ticks. */
export interface ProcessStat {
  readonly pid: number;
  readonly parent: number;
  /** Time of the process itself. */
  readonly own: CpuTime;
  /** Time of its children that ended and were waited for. */
  readonly children: CpuTime;
}

/** CPU time in user mode and in the kernel. */
export interface CpuTime {
  readonly user: number;
  readonly system: number;
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
    own: { user: number(11), system: number(12) },
    children: { user: number(13), system: number(14) },
  };
}

/** The voluntary switches of a thread, from the text of its /proc/<pid>/task/<tid>/status; 0 when it has none. */
export const parseSwitches = (status: string): number =>
  Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(status)?.[1] ?? 0);

/** Switches since an earlier reading. A thread that ended in between does not count. */
export function switchesSince(before: ReadonlyMap<string, number>, now: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [thread, count] of now) sum += count - (before.get(thread) ?? 0);
  return sum;
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

const treeOf = ({ pid, isAlone }: WatchedProcess, stats: readonly ProcessStat[]): readonly ProcessStat[] =>
  isAlone ? stats.filter((one) => one.pid === pid) : processTree(pid, stats);

/** CPU seconds since the start of the process, including those of descendants that have ended. */
function cpuSecondsOf(process: WatchedProcess, stats: readonly ProcessStat[]): CpuTime {
  let user = 0;
  let system = 0;
  for (const { own, children } of treeOf(process, stats)) {
    user += own.user + (process.isAlone ? 0 : children.user);
    system += own.system + (process.isAlone ? 0 : children.system);
  }
  return { user: user / TICKS_PER_SECOND, system: system / TICKS_PER_SECOND };
}

/** Voluntary switches of each thread since its start. */
function switchesOf(process: WatchedProcess, stats: readonly ProcessStat[]): Map<string, number> {
  const byThread = new Map<string, number>();
  for (const { pid } of treeOf(process, stats))
    for (const tid of readIfPresent(() => readdirSync(`/proc/${pid}/task`)) ?? []) {
      const status = readIfPresent(() => readFileSync(`/proc/${pid}/task/${tid}/status`, "latin1"));
      if (status !== undefined) byThread.set(tid, parseSwitches(status));
    }
  return byThread;
}

/** A value of /proc/<pid>/status or smaps_rollup, in MB; 0 when it cannot be read. */
const megabytes = (pid: number, file: "status" | "smaps_rollup", name: string): number => {
  const text = readIfPresent(() => readFileSync(`/proc/${pid}/${file}`, "latin1")) ?? "";
  return (1_024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0)) / 1e6;
};

/** Resources that a process used between {@link ProcessMeter.start} and {@link ProcessMeter.stop}. */
export interface ProcessFigures extends WatchedProcess {
  /** CPU time in user mode. */
  readonly userSeconds: number;
  /** CPU time in the kernel. */
  readonly systemSeconds: number;
  readonly cpuSeconds: number;
  /** Times that a thread gave up its CPU to wait. */
  readonly voluntarySwitches: number;
  /** One process: the most that was ever resident. A server with several processes: the largest sample. */
  readonly peakMemoryMb: number;
  /** Resident at the end. Memory that processes share is divided between them (PSS). */
  readonly memoryMb: number;
}

/** Sampling interval for servers with several processes. Each sample blocks them for milliseconds. */
const SAMPLE_MS = 5_000;

interface Reading {
  readonly cpu: CpuTime;
  readonly switches: ReadonlyMap<string, number>;
}

/** Measures resources between {@link ProcessMeter.start} and {@link ProcessMeter.stop}. */
export class ProcessMeter {
  private before: Reading[] = [];
  private readonly peaks = new Map<number, number>();
  private timer: Timer | undefined;

  constructor(private readonly watched: readonly WatchedProcess[]) {}

  start(): void {
    const stats = allStats();
    this.before = this.watched.map((process) => readingOf(process, stats));
    this.timer = setInterval(() => {
      const now = allStats();
      for (const process of this.watched) if (treeOf(process, now).length > 1) this.sample(process, now);
    }, SAMPLE_MS);
  }

  stop(): ProcessFigures[] {
    clearInterval(this.timer);
    const stats = allStats();
    const readings = this.watched.map((process) => readingOf(process, stats));
    return this.watched.map((process, i) => {
      const now = readings[i]!;
      const before = this.before[i];
      this.sample(process, stats);
      const isSingle = treeOf(process, stats).length === 1;
      // After a restart the process has less CPU time than before. The time of the earlier process is unknown.
      const userSeconds = Math.max(0, now.cpu.user - (before?.cpu.user ?? 0));
      const systemSeconds = Math.max(0, now.cpu.system - (before?.cpu.system ?? 0));
      return {
        ...process,
        userSeconds,
        systemSeconds,
        cpuSeconds: userSeconds + systemSeconds,
        voluntarySwitches: switchesSince(before?.switches ?? new Map(), now.switches),
        peakMemoryMb: isSingle ? megabytes(process.pid, "status", "VmHWM") : (this.peaks.get(process.pid) ?? 0),
        memoryMb: proportionalMbOf(process, stats),
      };
    });
  }

  private sample(process: WatchedProcess, stats: readonly ProcessStat[]): void {
    this.peaks.set(process.pid, Math.max(memoryMbOf(process, stats), this.peaks.get(process.pid) ?? 0));
  }
}

const readingOf = (process: WatchedProcess, stats: readonly ProcessStat[]): Reading => ({
  cpu: cpuSecondsOf(process, stats),
  switches: switchesOf(process, stats),
});

/** Resident memory in MB; 0 when the process has ended. Several processes: shared memory counts once (PSS). */
export function memoryMbOf(process: WatchedProcess, stats: readonly ProcessStat[] = allStats()): number {
  const tree = treeOf(process, stats);
  const [only, another] = tree;
  return only && !another ? megabytes(only.pid, "status", "VmRSS") : proportionalMbOf(process, stats);
}

/** Resident memory in MB. Memory that processes share is divided between them (PSS). */
export const proportionalMbOf = (process: WatchedProcess, stats: readonly ProcessStat[] = allStats()): number =>
  treeOf(process, stats).reduce((sum, { pid }) => sum + megabytes(pid, "smaps_rollup", "Pss"), 0);

/** CPU seconds of the whole machine since its start. Steal is time in which the host ran something else. */
export interface MachineTime {
  readonly busySeconds: number;
  readonly stealSeconds: number;
}

/** Parses the first line of /proc/stat (proc_stat(5)). */
export function parseMachineTime(text: string): MachineTime {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = (text.split("\n")[0] ?? "")
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return {
    busySeconds: (user + nice + system + irq + softirq) / TICKS_PER_SECOND,
    stealSeconds: steal / TICKS_PER_SECOND,
  };
}

/** Reads {@link MachineTime}. */
export const machineTime = (): MachineTime => parseMachineTime(readFileSync("/proc/stat", "latin1"));

/** Ids of a process and its descendants. */
export const pidsOf = (process: WatchedProcess): number[] => treeOf(process, allStats()).map(({ pid }) => pid);
