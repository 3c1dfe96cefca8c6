/** Big binaries are fetched once per machine, not once per clone: `${XDG_CACHE_HOME:-~/.cache}/lockstep/<name>`. */
import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import { withMachineLock } from "./machine-lock.ts";
import { report, type StartOptions } from "./server.ts";

/** A component is missing and cannot be brought. The message is one line that names what to do. */
export class MissingComponentError extends UserError {
  constructor(what: string, todo: string) {
    super(`${what}: ${todo}`, "MISSING_COMPONENT");
  }
}

const cacheFolder = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "lockstep");

/** Fills under way in this process, by target: three brokers that start together fetch once. */
const underWay = new Map<string, Promise<string>>();

/**
 * Returns the folder `name` of the cache, and fills it by `fill` when it is missing. One process of the machine fills it at a
 * time; the others wait for the result.
 *
 * @param options `base`: another folder than the user's cache.
 * @throws whatever `fill` throws; a failed attempt leaves nothing behind.
 */
export function cached(
  name: string,
  fill: (folder: string) => Promise<void>,
  { base = cacheFolder(), ...waiting }: StartOptions & { readonly base?: string | undefined } = {},
): Promise<string> {
  const target = join(base, name);
  const filling = underWay.get(target) ?? filled(target, fill, waiting).finally(() => underWay.delete(target));
  underWay.set(target, filling);
  return filling;
}

async function filled(target: string, fill: (folder: string) => Promise<void>, waiting: StartOptions): Promise<string> {
  if (existsSync(target)) return target;
  const onWait = (pid: number) => report(waiting, `process ${pid} is fetching ${basename(target)}; waiting for it …`);
  return await withMachineLock(`${target}.lock`, () => fillLocked(target, fill), onWait, waiting.signal);
}

/** Fills a folder beside the target and renames it when it is complete. A process that was killed leaves its attempt behind. */
async function fillLocked(target: string, fill: (folder: string) => Promise<void>): Promise<string> {
  if (existsSync(target)) return target;
  for (const name of readdirSync(dirname(target)))
    if (name.startsWith(`${basename(target)}.part-`)) rmSync(join(dirname(target), name), { recursive: true });
  const attempt = mkdtempSync(`${target}.part-`);
  try {
    await fill(attempt);
    // mkdtemp gives access to this user only; PostgreSQL's user needs it too when this process runs as root.
    chmodSync(attempt, 0o755);
    renameSync(attempt, target);
    return target;
  } catch (error) {
    rmSync(attempt, { recursive: true, force: true });
    throw error;
  }
}

/** Result of a finished command. Status 127 when it could not be run at all. */
export interface Outcome {
  readonly status: number;
  readonly output: string;
}

/** Runs a command to its end and keeps the end of what it says (20,000 characters). */
export function run(
  command: string,
  args: readonly string[],
  options: {
    cwd?: string;
    env?: NodeJS.ProcessEnv;
    uid?: number;
    gid?: number;
    input?: string;
    /** Aborting ends the command. */
    signal?: AbortSignal | undefined;
  } = {},
): Promise<Outcome> {
  const { input = "", ...spawnOptions } = options;
  return new Promise((resolve) => {
    const child = spawn(command, [...args], { ...spawnOptions, stdio: ["pipe", "pipe", "pipe"] });
    let output = "";
    const keep = (chunk: Buffer) => {
      output = (output + chunk.toString()).slice(-20_000);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    // A command that does not read its input to the end is no failure of ours.
    child.stdin.on("error", () => {});
    child.stdin.end(input);
    child.once("error", () => resolve({ status: 127, output }));
    child.once("close", (status) => resolve({ status: status ?? 1, output }));
  });
}

/** Runs a step that may take long: says so at its start, every 10 s, and at its end. */
export async function withProgress<T>(what: string, work: () => Promise<T>, waiting: StartOptions): Promise<T> {
  const start = Date.now();
  const seconds = () => `${((Date.now() - start) / 1000).toFixed(1)} s`;
  report(waiting, `${what} …`);
  const tick = setInterval(() => report(waiting, `${what}: ${seconds()} so far …`), 10_000);
  try {
    const result = await work();
    report(waiting, `${what}: done in ${seconds()}`);
    return result;
  } finally {
    clearInterval(tick);
  }
}

/** The line of a command's output that a person needs to see of its failure: the first that speaks of an error, else the last. */
export function reasonIn(output: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours of a terminal begin with one.
  const lines = output.replace(/\u001b\[[\d;]*m/g, "").split("\n");
  const spoken = lines.filter((line) => /\w/.test(line));
  return (spoken.find((line) => /\b(error|fatal)\b/i.test(line)) ?? spoken.at(-1) ?? "no output").trim().slice(0, 400);
}
