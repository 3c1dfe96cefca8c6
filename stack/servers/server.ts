/** Starts servers and services as child processes, and waits until they respond. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync, readFileSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../../contracts/errors.ts";
import { settlesWithin } from "../../platform/async/timeout.ts";
import { NotYetError, waitFor } from "../wait-for.ts";

/** A running process with an address. */
export interface Server {
  readonly name: string;
  readonly kind: string;
  readonly pid: number;
  /**
   * Address for clients: `postgres://user:password@host:port/database`, `host:port`, `redis://host:port`,
   * `http://host:port`.
   */
  readonly url: string;
  readonly port: number;
  /** Exit status; null when a signal ended the process. Never rejects. */
  readonly exited: Promise<number | null>;
  /**
   * Stops the process and resolves when it is gone. Sends SIGKILL after `graceMs`. May be called more than once.
   *
   * @param signal default: the server's clean stop.
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
  /** Default: the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
  /** User that the process runs as. Only root may set it. */
  readonly user?: { readonly uid: number; readonly gid: number } | undefined;
  readonly logFile: string;
  readonly cleanSignal: NodeJS.Signals;
  /** Time for a clean stop before SIGKILL, in milliseconds. */
  readonly graceMs: number;
}

/** Callbacks and cancellation of a start, which may take minutes when components have to be fetched. */
export interface StartOptions {
  /** Receives a line of progress. Default: standard error. */
  readonly print?: (line: string) => void;
  /** Aborted to cancel the start, which then rejects and leaves nothing running. */
  readonly signal?: AbortSignal;
  /** Called as soon as there is a process, before it responds. */
  readonly onLaunch?: (server: Server) => void;
}

/** Prints a line of progress. */
export const printProgress = (options: StartOptions, line: string): void => (options.print ?? console.error)(line);

/** A log larger than this, in bytes, is renamed to `<log>.1` at the next start. */
const MAX_LOG_BYTES = 20_000_000;

/** Opens a log for appending. Only its owner may read it. @returns the file descriptor. */
export function openLog(path: string): number {
  mkdirSync(dirname(path), { recursive: true });
  if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > MAX_LOG_BYTES) renameSync(path, `${path}.1`);
  return openSync(path, "a", 0o600);
}

/**
 * Starts a process whose output goes to the log file. The process has its own session: Ctrl-C in a terminal reaches
 * only the supervisor, which stops everything in order.
 *
 * @throws {UserError} when the command could not be run.
 */
export function launch(options: LaunchOptions): Server {
  const { name, kind, url, port, command, args, env, cwd, user, logFile, cleanSignal, graceMs } = options;
  const log = openLog(logFile);
  const child = spawn(command, [...args], {
    ...(cwd ? { cwd } : {}),
    ...user,
    env: env ?? process.env,
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  let isGone = false;
  const exited = new Promise<number | null>((resolve) => {
    const settle = (code: number | null) => {
      isGone = true;
      resolve(code);
    };
    child.once("exit", settle);
    child.once("error", () => settle(127));
  });
  const { pid } = child;
  if (pid === undefined) throw new UserError(`${name}: the command ${command} could not be run`);
  child.unref();

  const send = (signal: NodeJS.Signals) => {
    if (!isGone) child.kill(signal);
  };
  const stop = async (signal?: NodeJS.Signals) => {
    send(signal ?? cleanSignal);
    if (await settlesWithin(exited, graceMs)) return;
    send("SIGKILL");
    await exited;
  };
  return { name, kind, pid, url, port, exited, stop };
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
 * Waits until a started server responds. The server is stopped when this throws.
 *
 * @param isAnswering rejects or returns false while the server does not respond.
 * @throws {UserError} with the last lines of the log when the process ends or the time is up.
 * @throws the signal's reason when it aborts.
 */
export async function waitUntilAnswering(
  server: Server,
  isAnswering: () => Promise<unknown>,
  { timeoutMs, logFile, options }: { timeoutMs: number; logFile: string; options: StartOptions },
): Promise<Server> {
  options.onLaunch?.(server);
  const ended = new AbortController();
  void server.exited.then(() => ended.abort());
  const signal = options.signal ? AbortSignal.any([options.signal, ended.signal]) : ended.signal;
  try {
    await waitFor(`${server.name} to respond`, { timeoutMs, intervalMs: 30, signal }, async () => {
      if ((await isAnswering().catch(() => false)) === false) throw new NotYetError("no response");
    });
    return server;
  } catch {
    await server.stop(signal.aborted ? undefined : "SIGKILL");
    options.signal?.throwIfAborted();
    const reason = ended.signal.aborted ? "ended during its start" : `did not respond within ${timeoutMs / 1000} s`;
    throw new UserError(`${server.name} ${reason}; the last lines of ${logFile}:\n${lastLines(logFile, 12)}`);
  }
}
