/** `bun run up --detach`: the same supervisor, as a process of its own, followed until it is ready. */
import { spawn } from "node:child_process";
import { closeSync, openSync, readSync, statSync } from "node:fs";
import { join } from "node:path";
import { makeDataFolder } from "./data-folder.ts";
import { openLog } from "./servers/server.ts";
import { readState } from "./state.ts";

/**
 * Starts `up` in the background with the same flags and says on standard output what it says, until it is ready or has ended.
 *
 * @param args the command line after `up`, without `--detach`.
 * @param ending aborted when the person gives up: the background process then stops what it started.
 * @returns the exit status: 0 when the stack is ready.
 */
export async function upDetached(data: string, args: readonly string[], ending: AbortSignal): Promise<number> {
  makeDataFolder(data);
  const logFile = join(data, "supervisor.log");
  const log = openLog(logFile);
  const follow = follower(logFile);
  const child = spawn(process.execPath, [join(import.meta.dirname, "main.ts"), "up", ...args], {
    stdio: ["ignore", log, log],
    detached: true,
  });
  closeSync(log);
  let status: number | undefined;
  child.once("exit", (code) => {
    status = code ?? 1;
  });
  ending.addEventListener("abort", () => child.kill("SIGTERM"));
  for (;;) {
    const ended = status;
    const state = readState(data);
    const ready = state?.ready === true && state.supervisor.pid === child.pid;
    // Told after the fact, so that the last lines are there.
    follow();
    if (ended !== undefined) return ended;
    if (ready) break;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await new Promise((resolve) => setTimeout(resolve, 100));
  follow();
  child.unref();
  return 0;
}

/** Prints what was added to a file since the last call. */
function follower(path: string): () => void {
  let at = statSync(path).size;
  return () => {
    const fd = openSync(path, "r");
    const buffer = Buffer.alloc(65_536);
    for (let length = readSync(fd, buffer, 0, buffer.length, at); length > 0; ) {
      process.stdout.write(buffer.subarray(0, length));
      at += length;
      length = readSync(fd, buffer, 0, buffer.length, at);
    }
    closeSync(fd);
  };
}
