/** No test leaves a server behind, also not one that is killed: a shell waits for our end and clears up. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";

// `cat` ends when our end of the pipe is closed, which the system does for us, whatever ended us.
const END = `cat >/dev/null
kill -s "$2" "$1" 2>/dev/null
while kill -0 "$1" 2>/dev/null; do sleep 0.05; done
rm -rf "$3"`;

const REMOVE = `cat >/dev/null
rm -rf "$1"`;

// The pipe must stay open as long as we live, so the child must not be collected.
const guards: ChildProcess[] = [];

/** Ends `pid` with `signal` and removes `folder` when this process is gone, however it went. */
export function endWithUs(pid: number, signal: "QUIT" | "KILL", folder: string): void {
  guard(END, String(pid), signal, folder);
}

const DOWN = `cat >/dev/null
"$1" "$2" down --data "$3" >/dev/null 2>&1
[ -n "$4" ] || rm -rf "$3"`;

/** Stops the stack on a data folder when this process is gone, and removes the folder unless it is to be kept. */
export const downWithUs = (data: string, keep: boolean): void =>
  guard(DOWN, process.execPath, join(import.meta.dirname, "../../stack/main.ts"), data, keep ? "keep" : "");

/** Removes `folder` when this process is gone. */
export const removeWithUs = (folder: string): void => guard(REMOVE, folder);

function guard(script: string, ...args: readonly string[]): void {
  const child = spawn("/bin/sh", ["-c", script, "sh", ...args], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  child.unref();
  guards.push(child);
}
