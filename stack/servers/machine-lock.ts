/** A lock that one process of this machine holds at a time. A process that dies releases it. */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { sleep } from "../../platform/async/sleep.ts";
import { identityOf, isRunning, type ProcessRef } from "../processes.ts";

const POLL_MS = 200;

const self: ProcessRef = { pid: process.pid, identity: identityOf(process.pid) };

/**
 * Runs `work` while this process holds the lock.
 *
 * @param file path of the lock file; its folder is created when it is missing.
 * @param onWait called once with the holder's pid when another process holds the lock.
 * @param signal aborts the wait for the lock.
 * @throws whatever `work` throws, or the signal's reason. The lock is free after that.
 */
export async function withMachineLock<T>(
  file: string,
  work: () => Promise<T>,
  onWait: (pid: number) => void,
  signal?: AbortSignal,
): Promise<T> {
  mkdirSync(dirname(file), { recursive: true });
  for (let waited = false; !tryLock(file); ) {
    const holder = holderOf(file);
    if (holder && !isRunning(holder)) removeStale(file, holder);
    else {
      if (!waited && holder) onWait(holder.pid);
      waited ||= holder !== undefined;
      await sleep(POLL_MS, signal);
    }
  }
  try {
    return await work();
  } finally {
    rmSync(file, { force: true });
  }
}

/** Links a complete file to the lock's path: a process that dies on the way leaves no lock without a holder. */
function tryLock(file: string): boolean {
  const own = `${file}.${process.pid}.new`;
  writeFileSync(own, JSON.stringify(self));
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(own, { force: true });
  }
}

/** Undefined when the holder has released the lock in the meantime. */
function holderOf(file: string): ProcessRef | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ProcessRef;
  } catch {
    return undefined;
  }
}

/** Removes the lock of a dead process. The rename prevents two processes from removing each other's new lock. */
function removeStale(file: string, holder: ProcessRef): void {
  const aside = `${file}.${process.pid}`;
  try {
    renameSync(file, aside);
  } catch {
    return; // Another process removed it first.
  }
  const moved = holderOf(aside);
  if (moved?.pid === holder.pid && moved.identity === holder.identity) rmSync(aside, { force: true });
  else renameSync(aside, file);
}
