/**
 * Disks that chaos can fill: a tmpfs over the data folder of each PostgreSQL server and broker of a stack that is not
 * started yet. Only root can mount one, on Linux.
 */
import { mkdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import type { Plan } from "../../stack/plan.ts";
import { labelOf } from "../../stack/plan.ts";
import { serverFolder } from "../../stack/process-specs.ts";
import { errorLineOf, run } from "../../stack/servers/run-command.ts";
import type { Disk } from "../system.ts";

/** Space of a disk that is not full. Memory is only used for what the server stores. */
const SIZE = "4g";
/** Room that a full disk has left, in bytes: less than a page of PostgreSQL or a batch of records. */
const ROOM = 4_096;
const ATTEMPTS = 20;

/** The disks of a stack. Disposal unmounts them; the servers must have ended. */
export interface SmallDisks extends AsyncDisposable {
  /** Empty where this process may not mount. */
  readonly disks: readonly Disk[];
}

/** Mounts a disk over the folder of each server, which must not have data yet. */
export async function mountSmallDisks(data: string, { servers }: Pick<Plan, "servers">): Promise<SmallDisks> {
  const disks: (Disk & { readonly folder: string })[] = [];
  for (const server of servers.filter(({ kind }) => kind !== "redis")) {
    const folder = join(data, serverFolder(server));
    mkdirSync(folder, { recursive: true });
    if ((await mount("-t", "tmpfs", "-o", `size=${SIZE},mode=0711`, "lockstep-chaos", folder)) !== undefined) break;
    disks.push({ name: labelOf(server), folder, fill: () => fill(folder), clear: () => resize(folder, SIZE) });
  }
  return {
    disks,
    async [Symbol.asyncDispose]() {
      for (const { folder } of disks) await run("umount", ["--lazy", folder]);
    },
  };
}

/** @returns the reason when it failed. */
async function mount(...args: string[]): Promise<string | undefined> {
  const { status, output } = await run("mount", args);
  return status === 0 ? undefined : errorLineOf(output);
}

async function resize(folder: string, size: string | number): Promise<void> {
  const problem = await mount("-o", `remount,size=${size}`, folder);
  if (problem) throw new Error(`the disk ${folder} could not be resized: ${problem}`);
}

/** Makes the disk as small as what it holds. The server may write meanwhile, and the size is then too small. */
async function fill(folder: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    const { blocks, bfree, bsize } = statfsSync(folder);
    try {
      return await resize(folder, (blocks - bfree) * bsize + ROOM);
    } catch (error) {
      if (attempt === ATTEMPTS) throw error;
    }
  }
}
