/** No test leaves a server behind, also not one that is killed: a shell waits for our end and clears up. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, openSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Each shell reads from one named pipe that only we can write to: it comes to an end when the system closes our side, whatever
 * ended us. The shells are nobody's children, since Bun kills all that it knows of when a test takes too long.
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

/** Ends `pid` with `signal` and removes `folder` when this process is gone, however it went. */
export function stopAtExit(pid: number, signal: "QUIT" | "KILL", folder: string): void {
  runAtExit(STOP_PROCESS, String(pid), signal, folder);
}

/** Stops the stack on a data folder when this process is gone, and removes the folder unless it is to be kept. */
export const stopStackAtExit = (data: string, keep: boolean): void =>
  runAtExit(STOP_STACK, process.execPath, join(import.meta.dirname, "../../stack/main.ts"), data, keep ? "keep" : "");

/** Removes `folder` when this process is gone. */
export const removeAtExit = (folder: string): void => runAtExit(REMOVE_FOLDER, folder);

function runAtExit(script: string, ...args: readonly string[]): void {
  // Waited for, so that the shell has opened the pipe before we can be gone.
  spawnSync("/bin/sh", ["-c", afterExitScript(script), openPipe(), ...args], { stdio: "ignore" });
}

let pipe: string | undefined;

/** The named pipe that is open as long as we live. */
function openPipe(): string {
  if (pipe) return pipe;
  pipe = join(mkdtempSync(join(tmpdir(), "lockstep-test-alive-")), "pipe");
  spawnSync("mkfifo", [pipe]);
  // For reading too, else this would wait for a reader. Never closed.
  openSync(pipe, "r+");
  return pipe;
}
