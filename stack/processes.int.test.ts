import { expect, test } from "bun:test";
import { spawn } from "node:child_process";
import { eventually } from "../tests/harness/parts.ts";
import { endProcess, identityOf, stillRuns } from "./processes.ts";

async function sleeper() {
  const child = spawn("sleep", ["60"]);
  const pid = child.pid!;
  const identity = await eventually(() => identityOf(pid), { timeoutMs: 5_000, what: "the process" });
  return { child, pid, identity };
}

test("a process is known by more than its number", async () => {
  const { child, pid, identity } = await sleeper();
  expect(stillRuns({ pid, identity })).toBe(true);
  expect(stillRuns({ pid, identity: "another start time" })).toBe(false);
  child.kill("SIGKILL");
  await eventually(() => !stillRuns({ pid, identity }), { timeoutMs: 5_000, what: "its end" });
});

test("a stranger that got a remembered number is left alone", async () => {
  const { child, pid, identity } = await sleeper();
  expect(await endProcess({ pid, identity: "another start time" }, "SIGKILL", 1_000)).toBe(false);
  expect(stillRuns({ pid, identity })).toBe(true);
  expect(await endProcess({ pid, identity }, "SIGTERM", 1_000)).toBe(true);
  expect(child.killed).toBe(false);
});
