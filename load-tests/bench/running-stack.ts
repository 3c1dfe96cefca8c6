/** The stack that is measured: one of its own, ended afterwards, or one that runs. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toolToken } from "../../platform/auth/development.ts";
import { readSettings } from "../../platform/settings/settings.ts";
import { isFree } from "../../stack/ports.ts";

const root = join(import.meta.dir, "../..");

export interface StackEntry {
  readonly name: string;
  readonly kind: string;
  readonly instance: number;
  readonly pid: number | null;
  readonly url: string;
}

/** As `status --json` tells it. */
export interface StackStatus {
  readonly ready: boolean;
  readonly services: readonly StackEntry[];
}

export interface RunningStack {
  /** Its folder. */
  readonly data: string;
  readonly status: StackStatus;
  /** Stops a stack of our own and removes its data; leaves one that ran before as it is. */
  end(): Promise<void>;
}

export const run = (args: readonly string[], stdout: "pipe" | "ignore") =>
  Bun.spawn([process.execPath, "run", "--silent", ...args], { cwd: root, stdout, stderr: "inherit", stdin: "ignore" });

/** @throws {Error} when not all of it is ready. */
export async function statusOf(data: string): Promise<StackStatus> {
  const child = run(["status", "--json", "--data", data], "pipe");
  const text = await new Response(child.stdout).text();
  const status = JSON.parse(text) as StackStatus;
  if (!status.ready) throw new Error(`the stack on ${data} is not ready; see: bun run status --data ${data}`);
  return status;
}

/** What is sent to the gateway of a stack, or of one that is known by its URL only; undefined when there is nothing to be sent. */
export const tokenFor = (data: string | undefined): Promise<string | undefined> =>
  toolToken(readSettings(process.env).LOCKSTEP_TOKEN, data);

/** @throws {Error} when there is no stack, or not all of it is ready. */
export const attach = async (data: string): Promise<RunningStack> => ({
  data,
  status: await statusOf(data),
  end: async () => {},
});

/**
 * Starts a stack on a new folder and ports that are free.
 *
 * @param flags further ones for `up`, such as `--brokers 3`.
 * @param interrupted aborted when nobody waits any more.
 * @throws {Error} when it does not start; nothing is left then.
 */
export async function startOwn(flags: readonly string[], interrupted?: AbortSignal): Promise<RunningStack> {
  const data = mkdtempSync(join(tmpdir(), "lockstep-bench-"));
  const end = async () => {
    await run(["down", "--data", data], "ignore").exited;
    rmSync(data, { recursive: true, force: true });
  };
  try {
    const portBase = String(await freePortBase());
    const code = await run(["up", "--detach", "--data", data, "--port-base", portBase, ...flags], "ignore").exited;
    interrupted?.throwIfAborted();
    if (code !== 0) throw new Error(`bun run up ended with ${code}`);
    return { data, status: await statusOf(data), end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** A base of which the ports that matter first are free; `up` says so itself when another one is not. */
async function freePortBase(): Promise<number> {
  for (let base = 30_000; base < 31_900; base += 50) {
    const offsets = [0, 1, 2, 3, 4, 10, 11, 12, 13, 20, 21, 22, 30, 31, 32];
    if ((await Promise.all(offsets.map((offset) => isFree(base + offset)))).every(Boolean)) return base;
  }
  throw new Error("no free ports between 30000 and 32000 for a stack");
}

/** The only entry of this name, or the first instance of several. @throws {Error} when there is none. */
export function entryOf(status: StackStatus, name: string): StackEntry {
  const entry = status.services.find((service) => service.name === name);
  if (!entry) throw new Error(`the stack has no ${name}; it has: ${status.services.map((s) => s.name).join(", ")}`);
  return entry;
}
