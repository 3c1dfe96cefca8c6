/** The stack that a bench or load test runs on: a temporary one, or one that runs already. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toolToken } from "../../platform/auth/development.ts";
import { readSettings } from "../../platform/settings/settings.ts";
import { isFree } from "../../stack/ports.ts";
import type { ServiceStatus, StackStatus as Status } from "../../stack/status.ts";

const root = join(import.meta.dir, "../..");

/** What `status --json` prints, as far as it is used here. */
export type StackStatus = Pick<Status, "ready"> &
  Partial<Pick<Status, "supervisor">> & {
    readonly services: readonly Pick<ServiceStatus, "name" | "kind" | "instance" | "pid" | "url">[];
  };

/** A stack that is ready. */
export interface RunningStack {
  /** Its data folder. */
  readonly data: string;
  readonly status: StackStatus;
  /** Stops a temporary stack and removes its data. Does nothing to a stack that ran before. */
  stop(): Promise<void>;
}

/** Runs a script of package.json. @param stdout `pipe` to read its output. */
export const runScript = (args: readonly string[], stdout: "pipe" | "ignore") =>
  Bun.spawn([process.execPath, "run", "--silent", ...args], { cwd: root, stdout, stderr: "inherit", stdin: "ignore" });

/** Reads the status of a stack. @throws {Error} when the stack is not ready. */
export async function statusOf(data: string): Promise<StackStatus> {
  const child = runScript(["status", "--json", "--data", data], "pipe");
  const text = await new Response(child.stdout).text();
  const status = JSON.parse(text) as StackStatus;
  if (!status.ready) throw new Error(`the stack on ${data} is not ready; see: bun run status --data ${data}`);
  return status;
}

/** Token for the gateway of a stack, or of a gateway without a known data folder. Undefined when there is none. */
export const tokenFor = (data: string | undefined): Promise<string | undefined> =>
  toolToken(readSettings(process.env).LOCKSTEP_TOKEN, data);

/** Uses the stack that runs on a data folder. @throws {Error} when there is none, or it is not ready. */
export const attach = async (data: string): Promise<RunningStack> => ({
  data,
  status: await statusOf(data),
  stop: async () => {},
});

/**
 * Starts a stack in a temporary folder and on free ports.
 *
 * @param flags further flags for `up`, such as `--brokers 3`.
 * @param signal aborts the start.
 * @throws {Error} when it does not start. Nothing is left behind then.
 */
export async function startTemporaryStack(flags: readonly string[], signal?: AbortSignal): Promise<RunningStack> {
  const data = mkdtempSync(join(tmpdir(), "lockstep-bench-"));
  const stop = async () => {
    await runScript(["down", "--data", data], "ignore").exited;
    rmSync(data, { recursive: true, force: true });
  };
  try {
    const portBase = String(await freePortBase());
    const args = ["up", "--detach", "--data", data, "--port-base", portBase, ...flags];
    const code = await runScript(args, "ignore").exited;
    signal?.throwIfAborted();
    if (code !== 0) throw new Error(`bun run up ended with status ${code}`);
    return { data, status: await statusOf(data), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A port base whose most important ports are free. `up` reports a conflict on any other port. */
async function freePortBase(): Promise<number> {
  for (let base = 30_000; base < 31_900; base += 50) {
    const offsets = [0, 1, 2, 3, 4, 10, 11, 12, 13, 20, 21, 22, 30, 31, 32];
    if ((await Promise.all(offsets.map((offset) => isFree(base + offset)))).every(Boolean)) return base;
  }
  throw new Error("no free ports for a stack between 30000 and 32000: stop another stack first");
}

/** The entry with this name; the first instance when there are several. @throws {Error} when there is none. */
export function entryOf(status: StackStatus, name: string): StackStatus["services"][number] {
  const entry = status.services.find((service) => service.name === name);
  if (!entry)
    throw new Error(`the stack has no ${name}; it has: ${status.services.map((service) => service.name).join(", ")}`);
  return entry;
}
