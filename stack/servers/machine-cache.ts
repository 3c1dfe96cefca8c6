/** A cache of large components per machine, shared by all clones: `${XDG_CACHE_HOME:-~/.cache}/lockstep/<name>`. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import { withMachineLock } from "./machine-lock.ts";
import { printProgress, type StartOptions } from "./server.ts";

/** This machine lacks a component and cannot fetch it. The message is one line and says what to do. */
export class MissingComponentError extends UserError {
  constructor(what: string, remedy: string) {
    super(`${what}: ${remedy}`, "MISSING_COMPONENT");
  }
}

const cacheFolder = (): string => join(process.env.XDG_CACHE_HOME || join(homedir(), ".cache"), "lockstep");

/** Fills in progress in this process, by target: three brokers that start at the same time fetch once. */
const fillsInProgress = new Map<string, Promise<string>>();

/**
 * Returns the folder `name` of the cache, and fills it by `fill` when it is missing. One process of the machine fills
 * it at a time; the others wait for the result.
 *
 * @param options `base`: a folder to use instead of the user's cache.
 * @throws whatever `fill` throws; a failed attempt leaves nothing behind.
 */
export function cached(
  name: string,
  fill: (folder: string) => Promise<void>,
  { base = cacheFolder(), ...options }: StartOptions & { readonly base?: string | undefined } = {},
): Promise<string> {
  const target = join(base, name);
  const filling =
    fillsInProgress.get(target) ?? fillUnderLock(target, fill, options).finally(() => fillsInProgress.delete(target));
  fillsInProgress.set(target, filling);
  return filling;
}

async function fillUnderLock(
  target: string,
  fill: (folder: string) => Promise<void>,
  options: StartOptions,
): Promise<string> {
  if (existsSync(target)) return target;
  const onWait = (pid: number) =>
    printProgress(options, `process ${pid} is fetching ${basename(target)}; waiting for it …`);
  return await withMachineLock(`${target}.lock`, () => fillTarget(target, fill), onWait, options.signal);
}

/** Fills a folder beside the target and renames it at the end. Removes attempts of processes that were killed. */
async function fillTarget(target: string, fill: (folder: string) => Promise<void>): Promise<string> {
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

/** Runs a step that may take long. Prints a line at its start, every 10 s, and at its end. */
export async function withProgress<T>(what: string, work: () => Promise<T>, options: StartOptions): Promise<T> {
  const start = Date.now();
  const seconds = () => `${((Date.now() - start) / 1000).toFixed(1)} s`;
  printProgress(options, `${what} …`);
  const tick = setInterval(() => printProgress(options, `${what}: ${seconds()} so far …`), 10_000);
  try {
    const result = await work();
    printProgress(options, `${what}: done in ${seconds()}`);
    return result;
  } finally {
    clearInterval(tick);
  }
}
