import { afterEach, expect, test } from "bun:test";
import { join } from "node:path";
import { eventually, temporaryFolder } from "../tests/harness/parts.ts";
import { identityOf } from "./processes.ts";
import { lastLines, launch } from "./servers/server.ts";
import { keepRunning, type SupervisedProcess } from "./supervise.ts";

const folder = temporaryFolder("supervise");
const log = join(folder, "sleeper.log");
const GRACE_MS = 300;
const never = new AbortController().signal;
const running: SupervisedProcess[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map((kept) => kept.stop("SIGKILL")));
});

/** A process that does what a shell script says. */
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

async function keep(script: string) {
  const said: string[] = [];
  const kept = keepRunning(shell(script), { changed: () => {}, say: (line) => said.push(line) }, never);
  running.push(kept);
  await kept.started;
  return { kept, said };
}

test("a process that is killed soon runs again, and one line says so", async () => {
  const { kept, said } = await keep("exec sleep 60");
  const first = kept.server()!.pid;
  process.kill(first, "SIGKILL");
  await eventually(() => kept.server() && kept.server()?.pid !== first, { timeoutMs: 5_000, what: "another pid" });
  expect(kept.restarts()).toBe(1);
  expect(said).toEqual([
    `sleeper (pid ${first}) was killed; starting it again in 0.1 s`,
    `sleeper runs again (pid ${kept.server()!.pid})`,
  ]);
});

test("one that was told to end, and did so in order, is started again at once, and that is no crash", async () => {
  const { kept, said } = await keep("trap 'exit 0' TERM; while :; do sleep 0.05; done");
  const first = kept.server()!.pid;
  await Bun.sleep(1_100);
  process.kill(first, "SIGTERM");
  await eventually(() => kept.restarts() === 1, { timeoutMs: 5_000, what: "another start" });
  expect(kept.crashedAt()).toEqual([]);
  expect(said).toEqual([
    `sleeper (pid ${first}) ended with status 0: starting it again`,
    `sleeper runs again (pid ${kept.server()!.pid})`,
  ]);
});

test("one that cannot run is tried with growing pauses, and three crashes in a minute are told", async () => {
  const { kept, said } = await keep("exit 7");
  await eventually(() => kept.crashedAt().length >= 3, { timeoutMs: 5_000, what: "three crashes" });
  const crashes = said.filter((line) => line.includes("status 7"));
  expect(crashes.map((line) => /again in (.*) s/.exec(line)?.[1])).toEqual(["0.1", "0.2", "0.4"]);
  expect(crashes[2]).toContain("3 times within a minute; see ");
});

test("stopping ends the process for good, by force when it does not listen", async () => {
  const { kept, said } = await keep("trap '' TERM; echo deaf; while :; do sleep 0.05; done");
  const { pid } = kept.server()!;
  await eventually(() => lastLines(log, 1) === "deaf", { timeoutMs: 5_000, what: "its trap" });
  const start = performance.now();
  await kept.stop();
  expect(performance.now() - start).toBeGreaterThan(GRACE_MS - 50);
  expect(identityOf(pid)).toBeUndefined();
  expect(said).toEqual([]);
});

test("a stop during a pause starts nothing again", async () => {
  const { kept } = await keep("exit 1");
  await eventually(() => kept.crashedAt().length >= 2, { timeoutMs: 5_000, what: "a pause" });
  await kept.stop();
  const restarts = kept.restarts();
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(kept.restarts()).toBe(restarts);
});
