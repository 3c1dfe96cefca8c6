/** Stops servers and removes folders when the test process exits, also after SIGKILL. Each clean-up is a waiting shell. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Every shell reads from one named pipe that only this process can write to. The read ends when the kernel closes the
 * write side, for whatever reason this process exits. The shells are detached, because Bun kills all of a test's child
 * processes when the test times out.
 */
const afterExitScript = (script: string): string => `exec 3<"$0"
( cat <&3 >/dev/null
rm -rf "$(dirname "$0")"
${script} ) &`;

const STOP_PROCESS = `kill -s "$2" "$1" 2>/dev/null
while kill -0 "$1" 2>/dev/null; do sleep 0.05; done
rm -rf "$3"`;

const REMOVE_FOLDER = 'rm -rf "$1"';

const STOP_STACK = `"$1" "$2" down --data "$3" >/dev/null 2>&1
[ -n "$4" ] || rm -rf "$3"`;

/** Sends `signal` to `pid` when this process exits, waits until `pid` has ended, and removes `folder`. */
export function stopAtExit(pid: number, signal: "QUIT" | "KILL", folder: string): void {
  runAtExit(STOP_PROCESS, String(pid), signal, folder);
}

/** Stops the stack of a data folder when this process exits. Removes the folder unless `keep` is true. */
export const stopStackAtExit = (data: string, keep: boolean): void =>
  runAtExit(STOP_STACK, process.execPath, join(import.meta.dirname, "../../stack/main.ts"), data, keep ? "keep" : "");

/** Removes `folder` when this process exits. */
export const removeAtExit = (folder: string): void => runAtExit(REMOVE_FOLDER, folder);

function runAtExit(script: string, ...args: readonly string[]): void {
  // Synchronous, so that the shell has opened the pipe before this process can exit.
  spawnSync("/bin/sh", ["-c", afterExitScript(script), openPipe(), ...args], { stdio: "ignore" });
}

let pipe: string | undefined;

/** Returns the path of the named pipe that stays open as long as this process runs. */
function openPipe(): string {
  if (pipe) return pipe;
  pipe = join(mkdtempSync(join(tmpdir(), "lockstep-test-alive-")), "pipe");
  spawnSync("mkfifo", [pipe]);
  // "r+": opening for writing only would block until there is a reader. Never closed.
  openSync(pipe, "r+");
  return pipe;
}
