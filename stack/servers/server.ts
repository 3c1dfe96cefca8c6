/** An embedded server as a child process of its own session: Ctrl-C in a terminal reaches the supervisor only, which stops things in order. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../../contracts/errors.ts";

/** A running process with an address. */
export interface Server {
  readonly name: string;
  readonly kind: string;
  readonly pid: number;
  /** What a client connects with: `postgres://user:password@host:port/database`, `host:port`, `redis://host:port`, `http://host:port`. */
  readonly url: string;
  readonly port: number;
  /** Exit status; null when a signal ended it. Never rejects. */
  readonly exited: Promise<number | null>;
  /**
   * Without a signal: the server's own clean stop, then SIGKILL when that takes longer than its grace. With one: sends it.
   * Resolves when the process is gone. Harmless twice.
   */
  stop(signal?: NodeJS.Signals): Promise<void>;
}

/** How to start a process. */
export interface LaunchOptions {
  readonly name: string;
  readonly kind: string;
  readonly url: string;
  readonly port: number;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** Runs as another user; only root may ask for it. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  readonly logFile: string;
  readonly cleanSignal: NodeJS.Signals;
  /** How long a clean stop may take before SIGKILL, in milliseconds. */
  readonly graceMs: number;
}

/** Who waits for a start that may take long, as the first one does. */
export interface StartOptions {
  /** Told what is going on, a line at a time. Default: standard error. */
  readonly print?: (line: string) => void;
  /** Aborted when nobody waits any more: the start then rejects and leaves nothing running. */
  readonly signal?: AbortSignal;
  /** Called as soon as there is a process, long before it answers. */
  readonly onLaunch?: (server: Server) => void;
}

export const printProgress = (options: StartOptions, line: string): void => (options.print ?? console.error)(line);

/** A log is set aside once when it has grown past this, in bytes, at the next start. */
const MAX_LOG_BYTES = 20_000_000;

/** Opens a log for adding to it; only its owner may read it. @returns the file descriptor. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, "a", 0o600);
}

/**
 * Starts a process; both its outputs go to the log file.
 *
 * @throws {UserError} when the command cannot be run.
 */
export function launch(how: LaunchOptions): Server {
  const log = openLog(how.logFile);
  const child = spawn(how.command, [...how.args], {
    ...(how.cwd ? { cwd: how.cwd } : {}),
    ...(how.user ?? {}),
    env: how.env ?? process.env,
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  let gone = false;
  const exited = new Promise<number | null>((resolve) => {
    const settle = (code: number | null) => {
      gone = true;
      resolve(code);
    };
    child.once("exit", settle);
    child.once("error", () => settle(127));
  });
  const { pid } = child;
  if (pid === undefined) throw new UserError(`${how.name}: ${how.command} cannot be run`);
  child.unref();

  const send = (signal: NodeJS.Signals) => {
    if (!gone) child.kill(signal);
  };
  const stop = async (signal?: NodeJS.Signals) => {
    send(signal ?? how.cleanSignal);
    const kill = setTimeout(() => send("SIGKILL"), how.graceMs);
    await exited;
    clearTimeout(kill);
  };
  return { name: how.name, kind: how.kind, pid, url: how.url, port: how.port, exited, stop };
}

/** The last lines of a log file, for an error message; empty when there is none. */
export function lastLines(path: string, count: number): string {
  try {
    return readFileSync(path, "utf8").trimEnd().split("\n").slice(-count).join("\n");
  } catch {
    return "";
  }
}

/**
 * Waits until a started server answers.
 *
 * @param answers rejects, or gives false, while it does not.
 * @throws {UserError} with the log's last lines when the process ends first or the time is up; the process is then stopped.
 * @throws the signal's reason when it is aborted; the process is then stopped.
 */
export async function waitUntilAnswering(
  server: Server,
  answers: () => Promise<unknown>,
  { timeoutMs, logFile, options }: { timeoutMs: number; logFile: string; options: StartOptions },
): Promise<Server> {
  options.onLaunch?.(server);
  const deadline = Date.now() + timeoutMs;
  let ended = false;
  void server.exited.then(() => {
    ended = true;
  });
  for (;;) {
    const answer = await answers().catch(() => false);
    if (answer !== false) return server;
    const late = Date.now() > deadline;
    if (options.signal?.aborted) {
      await server.stop();
      throw options.signal.reason;
    }
    if (ended || late) {
      if (late) await server.stop("SIGKILL");
      const why = ended ? "ended during its start" : `did not answer within ${timeoutMs / 1000} s`;
      throw new UserError(`${server.name} ${why}; the last lines of ${logFile}:\n${lastLines(logFile, 12)}`);
    }
    await Promise.race([new Promise((resolve) => setTimeout(resolve, 30)), server.exited]);
  }
}
