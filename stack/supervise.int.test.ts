import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { sleep } from "../platform/async/sleep.ts";
import { eventually, temporaryFolder } from "../tests/harness/servers.ts";
import { identityOf } from "./processes.ts";
import { lastLines, launch } from "./servers/server.ts";
import { SupervisedProcess } from "./supervise.ts";

const folder = temporaryFolder("supervise");
const log = join(folder, "sleeper.log");
const GRACE_MS = 300;
const never = new AbortController().signal;
const running: SupervisedProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((supervised) => supervised.stop("SIGKILL")));
});

/** A process that runs a shell script. */
const shell = (script: string) => ({
  label: "sleeper",
  logFile: log,
  start: async () =>
    launch({
      name: "sleeper",
      kind: "service",
      url: "",
      port: 0,
      command: "/bin/sh",
      args: ["-c", script],
      logFile: log,
      cleanSignal: "SIGTERM",
      graceMs: GRACE_MS,
    }),
});

async function supervise(script: string, isHeld = () => false) {
  const printed: string[] = [];
  const events = { onChange: () => {}, print: (line: string) => printed.push(line), isHeld };
  const supervised = new SupervisedProcess(shell(script), events, never);
  running.push(supervised);
  await supervised.started;
  return { supervised, printed };
}

test("a killed process is restarted after 0.1 s, and the supervisor prints both", async () => {
  const { supervised, printed } = await supervise("exec sleep 60");
  const first = supervised.server!.pid;
  process.kill(first, "SIGKILL");
  const hasNewPid = () => supervised.server && supervised.server.pid !== first;
  await eventually(hasNewPid, { timeoutMs: 5_000, what: "another pid" });
  expect(supervised.restarts).toBe(1);
  expect(printed).toEqual([
    `sleeper (pid ${first}) was killed; restarting in 0.1 s`,
    `sleeper restarted (pid ${supervised.server!.pid})`,
  ]);
});

test("a clean exit on request leads to a restart without a delay, and is not counted as a crash", async () => {
  const { supervised, printed } = await supervise("trap 'exit 0' TERM; while :; do sleep 0.05; done");
  const first = supervised.server!.pid;
  await sleep(1_100);
  process.kill(first, "SIGTERM");
  await eventually(() => supervised.restarts === 1, { timeoutMs: 5_000, what: "another start" });
  expect(supervised.crashedAt).toEqual([]);
  expect(printed).toEqual([
    `sleeper (pid ${first}) ended with status 0; restarting`,
    `sleeper restarted (pid ${supervised.server!.pid})`,
  ]);
});

test("a held process stays stopped until it is released", async () => {
  let held = true;
  let checks = 0;
  const { supervised, printed } = await supervise("exec sleep 60", () => {
    checks++;
    return held;
  });
  const { pid } = supervised.server!;
  process.kill(pid, "SIGKILL");
  await eventually(() => checks >= 4, { timeoutMs: 10_000, what: "the supervisor to wait for the release" });
  expect([supervised.server, supervised.restarts, supervised.crashedAt]).toEqual([undefined, 0, []]);
  expect(printed).toEqual([`sleeper (pid ${pid}) was killed; stopped until bun run start`]);
  held = false;
  await eventually(() => supervised.restarts === 1, { timeoutMs: 10_000, what: "the restart" });
});

test("a process that is held while it starts is stopped when it has started", async () => {
  let held = false;
  let starts = 0;
  const spec = shell("exec sleep 60");
  const start = async () => {
    if (++starts === 2) held = true;
    return spec.start();
  };
  const events = { onChange: () => {}, print: () => {}, isHeld: () => held };
  const supervised = new SupervisedProcess({ ...spec, start }, events, never);
  running.push(supervised);
  process.kill((await supervised.started).pid, "SIGKILL");
  const isStopped = () => supervised.restarts === 1 && supervised.server === undefined;
  await eventually(isStopped, { timeoutMs: 10_000, what: "the second process to be stopped" });
  held = false;
  await eventually(() => supervised.restarts === 2, { timeoutMs: 10_000, what: "the restart" });
});

test("a process that keeps crashing is restarted with growing delays, and three crashes in a minute are reported", async () => {
  const { supervised, printed } = await supervise("exit 7");
  await eventually(() => supervised.crashedAt.length >= 3, { timeoutMs: 5_000, what: "three crashes" });
  const crashes = printed.filter((line) => line.includes("status 7"));
  expect(crashes.map((line) => /restarting in (.*) s/.exec(line)?.[1])).toEqual(["0.1", "0.2", "0.4"]);
  expect(crashes[2]).toContain("3 crashes within a minute; see ");
});

test("stop ends the process for good, with SIGKILL when it ignores the clean signal", async () => {
  const { supervised, printed } = await supervise("trap '' TERM; echo deaf; while :; do sleep 0.05; done");
  const { pid } = supervised.server!;
  await eventually(() => lastLines(log, 1) === "deaf", { timeoutMs: 5_000, what: "its trap" });
  const startedAt = performance.now();
  await supervised.stop();
  expect(performance.now() - startedAt).toBeGreaterThan(GRACE_MS - 50);
  expect(identityOf(pid)).toBeUndefined();
  expect(printed).toEqual([]);
});

test("a stop during the delay before a restart prevents the restart", async () => {
  const { supervised } = await supervise("exit 1");
  await eventually(() => supervised.crashedAt.length >= 2, { timeoutMs: 5_000, what: "a delay" });
  const { restarts } = supervised;
  await supervised.stop();
  expect(supervised.restarts).toBe(restarts);
});
