/** What runs on a data folder, as a file that `status`, `down` and the next `up` read. It holds passwords: only its owner may read it. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readStackFile, type StackEntry, stackFileOf } from "../platform/stack-file.ts";
import { type KnownProcess, stillRuns } from "./processes.ts";

/** One process or server. */
export interface Entry extends StackEntry {
  /** Null for a server that is not ours, and while one of ours is down. */
  readonly pid: number | null;
  readonly identity?: string | undefined;
  /** How often it was started again since `up`. */
  readonly restarts: number;
  /** Times of the latest crashes, in milliseconds since 1970. */
  readonly crashedAt: readonly number[];
}

export interface StackState {
  readonly supervisor: KnownProcess;
  /** True from the moment at which a canary write was readable everywhere. */
  readonly ready: boolean;
  readonly entries: readonly Entry[];
}

/** The state on a data folder; undefined when no stack was started there, or was stopped. */
export const readState = (data: string): StackState | undefined => readStackFile<StackState>(data);

/** Whole or not at all: a reader never sees half of it. */
export function writeState(data: string, state: StackState): void {
  const draft = `${stackFileOf(data)}.${process.pid}.tmp`;
  writeFileSync(draft, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, stackFileOf(data));
}

export const removeState = (data: string): void => rmSync(stackFileOf(data), { force: true });

/** The process of an entry, for those that have one. */
export const processOf = (entry: Entry): KnownProcess | undefined =>
  entry.pid === null ? undefined : { pid: entry.pid, identity: entry.identity };

const lockOf = (data: string): string => join(data, "supervisor.lock");

/** The supervisor that works on this data folder now, if any. */
export function runningSupervisor(data: string): KnownProcess | undefined {
  try {
    const known = JSON.parse(readFileSync(lockOf(data), "utf8")) as KnownProcess;
    return stillRuns(known) ? known : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Makes this process the only supervisor of a data folder, until it ends.
 *
 * @returns the one that is already there, or undefined when we are the one.
 */
export function becomeSupervisor(data: string, self: KnownProcess): KnownProcess | undefined {
  const lock = lockOf(data);
  const draft = `${lock}.${self.pid}`;
  writeFileSync(draft, JSON.stringify(self));
  try {
    for (;;) {
      // A link is made with its content or not at all, and only where there is none.
      if (linked(draft, lock)) return undefined;
      const other = runningSupervisor(data);
      if (other) return other;
      rmSync(lock, { force: true });
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

export const retire = (data: string): void => rmSync(lockOf(data), { force: true });
