/** What the stack's processes use, read from /proc (Linux). A server counts with all the processes below it. */
import { readdirSync, readFileSync } from "node:fs";

export interface Watched {
  readonly name: string;
  readonly kind: string;
  readonly pid: number;
}

export interface Usage {
  /** User and system time since the process began, in seconds, with that of the processes below it, ended ones too. */
  readonly cpuSeconds: number;
  /** Memory that is there now, in bytes: proportional set size, so that what processes share counts once. */
  readonly memoryBytes: number;
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

const kilobytes = (text: string | undefined, name: string): number =>
  1024 * Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text ?? "")?.[1] ?? 0);

const memoryOf = (pid: number): number => {
  const rollup = readable(() => readFileSync(`/proc/${pid}/smaps_rollup`, "latin1"));
  // Not readable for another user's process: what it shares then counts in each.
  return rollup
    ? kilobytes(rollup, "Pss")
    : kilobytes(
        readable(() => readFileSync(`/proc/${pid}/status`, "latin1")),
        "VmRSS",
      );
};

/** Usage of each now, by its place in the list. */
export function usageOf(watched: readonly Watched[]): Usage[] {
  const stats = allStats();
  return watched.map(({ pid }) => {
    const tree = treeOf(pid, stats);
    const sum = (of: (stat: Stat) => number) => tree.reduce((total, stat) => total + of(stat), 0);
    return { cpuSeconds: sum((s) => s.ticks) / TICKS_PER_SECOND, memoryBytes: sum((s) => memoryOf(s.pid)) };
  });
}

export interface ProcessFigures extends Watched {
  /** Used between {@link ProcessMeter.start} and {@link ProcessMeter.stop}. */
  readonly cpuSeconds: number;
  readonly peakMemoryMb: number;
  /** At the end. */
  readonly memoryMb: number;
}

/** Measures from start to stop; peaks are those of samples taken every half second. */
export class ProcessMeter {
  private before: Usage[] = [];
  private peaks: number[] = [];
  private timer: Timer | undefined;

  constructor(private readonly watched: readonly Watched[]) {}

  start(): void {
    this.before = usageOf(this.watched);
    this.peaks = this.before.map(({ memoryBytes }) => memoryBytes);
    this.timer = setInterval(() => this.sample(), 500);
  }

  stop(): ProcessFigures[] {
    clearInterval(this.timer);
    const now = this.sample();
    return this.watched.map((one, i) => ({
      ...one,
      // A process that was started anew in between has less than before; what the earlier one used is not known.
      cpuSeconds: Math.max(0, (now[i]?.cpuSeconds ?? 0) - (this.before[i]?.cpuSeconds ?? 0)),
      peakMemoryMb: (this.peaks[i] ?? 0) / 1e6,
      memoryMb: (now[i]?.memoryBytes ?? 0) / 1e6,
    }));
  }

  private sample(): Usage[] {
    const now = usageOf(this.watched);
    this.peaks = now.map(({ memoryBytes }, i) => Math.max(memoryBytes, this.peaks[i] ?? 0));
    return now;
  }
}
