/** No test leaves a server behind, also not one that is killed: a shell waits for our end and clears up. */
import { type ChildProcess, spawn } from "node:child_process";

const SCRIPT = `
cat >/dev/null
kill -s "$2" "$1" 2>/dev/null
while kill -0 "$1" 2>/dev/null; do sleep 0.05; done
rm -rf "$3"`;

// The pipe must stay open as long as we live, so the child must not be collected.
const guards: ChildProcess[] = [];

/** Ends `pid` with `signal` and removes `folder` when this process is gone, however it went. */
export function endWithUs(pid: number, signal: "QUIT" | "KILL", folder: string): void {
  const guard = spawn("/bin/sh", ["-c", SCRIPT, "sh", String(pid), signal, folder], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  guard.unref();
  guards.push(guard);
}
