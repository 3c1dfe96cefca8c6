/** `bun run up --detach`: runs the supervisor in the background and prints its output until the stack is ready. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { sleep } from "../platform/async/sleep.ts";
import { settlesWithin } from "../platform/async/timeout.ts";
import { createDataFolder } from "./data-folder.ts";
import { programArguments } from "./program.ts";
import { openLog } from "./servers/server.ts";
import { readState } from "./state.ts";

const POLL_MS = 50;
/** Time for the supervisor to print its report after it marked the stack as ready, in milliseconds. */
const LAST_LINES_MS = 100;

/**
 * Starts `up` in the background and prints its output until the stack is ready or the supervisor has ended.
 *
 * @param args arguments of `lockstep` that run `up` in the foreground.
 * @param signal aborting it makes the background process stop what it started.
 * @returns the exit status: 0 when the stack is ready.
 */
export async function upDetached(data: string, args: readonly string[], signal: AbortSignal): Promise<number> {
  createDataFolder(data);
  const logFile = join(data, "supervisor.log");
  const log = openLog(logFile);
  const printNewLines = tailOf(logFile);
  const child = spawn(process.execPath, [...programArguments, ...args], {
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  const exited = new Promise<number>((resolve) => child.once("exit", (code) => resolve(code ?? 1)));
  signal.addEventListener("abort", () => child.kill("SIGTERM"));
  const isReady = () => {
    const state = readState(data);
    return state?.ready === true && state.supervisor.pid === child.pid;
  };
  while (!isReady()) {
    const hasExited = await settlesWithin(exited, POLL_MS);
    printNewLines();
    if (hasExited) return await exited;
  }
  await sleep(LAST_LINES_MS);
  printNewLines();
  child.unref();
  return 0;
}

/** Returns a function that prints what was appended to a file since its last call. */
function tailOf(path: string): () => void {
  let position = statSync(path).size;
  return () => {
    const fd = openSync(path, "r");
    const buffer = Buffer.alloc(65_536);
    for (let length = readSync(fd, buffer, 0, buffer.length, position); length > 0; ) {
      process.stdout.write(buffer.subarray(0, length));
      position += length;
      length = readSync(fd, buffer, 0, buffer.length, position);
    }
    closeSync(fd);
  };
}
