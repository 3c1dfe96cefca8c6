/**
 * The state of a stack in its data folder. `stack.json` lists what runs, for `status`, `down` and the next `up`. It
 * holds passwords, so only its owner may read it. `supervisor.lock` names the supervisor.
 */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readStackFile, type StackEntry, stackFileOf } from "../platform/stack-file.ts";
import { isRunning, type ProcessRef } from "./processes.ts";

/** One process or server of a stack. */
export interface StateEntry extends StackEntry {
  /** Null for an external server, and while the process is down. */
  readonly pid: number | null;
  readonly identity?: string | undefined;
  /** True for a server that the stack uses and does not run. */
  readonly isExternal?: true;
  /** Restarts since `up`. */
  readonly restarts: number;
  /** Times of recent crashes, in milliseconds since 1970. */
  readonly crashedAt: readonly number[];
}

/** Content of `stack.json`. */
export interface StackState {
  readonly supervisor: ProcessRef;
  /** True once the test write, if there is one, was readable in its replicas. */
  readonly ready: boolean;
  readonly entries: readonly StateEntry[];
}

/** The state in a data folder; undefined when no stack was started there, or it was stopped. */
export const readState = (data: string): StackState | undefined => readStackFile<StackState>(data);

/** Replaces the state atomically: a reader sees the old state or the new one. */
export function writeState(data: string, state: StackState): void {
  const draft = `${stackFileOf(data)}.${process.pid}.tmp`;
  writeFileSync(draft, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 });
  renameSync(draft, stackFileOf(data));
}

/** Removes `stack.json`. Does nothing when there is none. */
export const removeState = (data: string): void => rmSync(stackFileOf(data), { force: true });

/** The process of an entry; undefined when it has none. */
export const processOf = (entry: StateEntry): ProcessRef | undefined =>
  entry.pid === null ? undefined : { pid: entry.pid, identity: entry.identity };

const lockFile = (data: string): string => join(data, "supervisor.lock");

/** The supervisor that runs on this data folder, if there is one. */
export function runningSupervisor(data: string): ProcessRef | undefined {
  try {
    const supervisor = JSON.parse(readFileSync(lockFile(data), "utf8")) as ProcessRef;
    return isRunning(supervisor) ? supervisor : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Makes `self` the only supervisor of a data folder, until it ends or calls {@link unlockDataFolder}.
 *
 * @returns undefined on success, otherwise the supervisor that holds the lock.
 */
export function lockDataFolder(data: string, self: ProcessRef): ProcessRef | undefined {
  const lock = lockFile(data);
  const draft = `${lock}.${self.pid}`;
  writeFileSync(draft, JSON.stringify(self));
  try {
    for (;;) {
      // A hard link appears with its whole content, and only when there is no lock yet.
      if (tryLink(draft, lock)) return undefined;
      const other = runningSupervisor(data);
      if (other) return other;
      rmSync(lock, { force: true });
    }
  } finally {
    rmSync(draft, { force: true });
  }
}

/** @returns false when `to` exists. */
function tryLink(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return false;
  }
}

/** Releases the lock of {@link lockDataFolder}. */
export const unlockDataFolder = (data: string): void => rmSync(lockFile(data), { force: true });
