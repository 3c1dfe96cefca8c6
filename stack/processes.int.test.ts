import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { eventually } from "../tests/harness/servers.ts";
import { identityOf, isRunning, terminate } from "./processes.ts";

async function sleeper() {
  const child = spawn("sleep", ["60"]);
  const pid = child.pid!;
  const identity = await eventually(() => identityOf(pid), { timeoutMs: 5_000, what: "the process" });
  return { child, pid, identity };
}

test("a process is identified by its pid and its start time", async () => {
  const { child, pid, identity } = await sleeper();
  expect(isRunning({ pid, identity })).toBe(true);
  expect(isRunning({ pid, identity: "another start time" })).toBe(false);
  child.kill("SIGKILL");
  await eventually(() => !isRunning({ pid, identity }), { timeoutMs: 5_000, what: "its end" });
});

test("terminate leaves another process with the same pid alone", async () => {
  const { child, pid, identity } = await sleeper();
  expect(await terminate({ pid, identity: "another start time" }, "SIGKILL", 1_000)).toBe(false);
  expect(isRunning({ pid, identity })).toBe(true);
  expect(await terminate({ pid, identity }, "SIGTERM", 1_000)).toBe(true);
  expect(child.killed).toBe(false);
});

test("terminate kills a process that ignores the signal, after the time for a clean stop", async () => {
  const child = spawn("sh", ["-c", "trap '' TERM; echo deaf; while :; do sleep 0.05; done"]);
  const ended = new Promise<NodeJS.Signals | null>((resolve) => child.once("exit", (_, signal) => resolve(signal)));
  await once(child.stdout, "data");
  const pid = child.pid!;
  expect(await terminate({ pid, identity: identityOf(pid) }, "SIGTERM", 100)).toBe(true);
  expect(await ended).toBe("SIGKILL");
});
