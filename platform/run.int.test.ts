/** The exit status of a service's process: its supervisor restarts it after 1, and not after 0 or 2. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const folder = mkdtempSync(join(tmpdir(), "lockstep-run-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const run = join(import.meta.dirname, "run.ts");
let files = 0;

/** Runs a service whose start is this text. @param signals sent one after the other, each after its line in the log. */
async function runService(
  start: string,
  env: Readonly<Record<string, string>> = {},
  signals: readonly (readonly [after: string, signal: NodeJS.Signals])[] = [],
) {
  const file = join(folder, `service-${files++}.ts`);
  await Bun.write(
    file,
    `import { runService } from ${JSON.stringify(run)};\nawait runService("test", {}, ${start});\n`,
  );
  const child = Bun.spawn([process.execPath, file], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const errors = new Response(child.stderr).text();
  let output = "";
  const remaining = [...signals];
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
    output += chunk;
    while (remaining[0] && output.includes(remaining[0][0])) child.kill(remaining.shift()![1]);
  }
  return { status: await child.exited, output, errors: await errors };
}

const NEVER = "new Promise(() => {})";
const service = (ended: string, stop = "Promise.resolve()") => `async () => ({ ended: ${ended}, stop: () => ${stop} })`;
const STARTED = '"started"';
const STOPPING = '"stopping"';

test("a stopped service exits with 0, and one that ended without a signal with 1", async () => {
  expect(await runService(service(NEVER), {}, [[STARTED, "SIGTERM"]])).toMatchObject({
    status: 0,
    output: expect.stringContaining('"stopped"'),
  });
  expect(await runService(service("Promise.resolve()"))).toMatchObject({
    status: 1,
    output: expect.stringContaining("the service ended without a signal to stop"),
  });
});

test("a service that fails, or cannot start, or leaves an error unhandled, exits with 1 and logs it", async () => {
  const failures = [
    service('Promise.reject(new Error("the cause"))'),
    'async () => { throw new Error("the cause"); }',
    `async () => { setTimeout(() => { throw new Error("the cause"); }); return ${NEVER}; }`,
    `async () => { void Promise.reject(new Error("the cause")); return ${NEVER}; }`,
  ];
  for (const start of failures) {
    const { status, output } = await runService(start);
    expect([status, output.includes("the cause")], start).toEqual([1, true]);
  }
});

test("P14: a service that does not stop in time, or gets a second signal, exits with 1", async () => {
  const slow = service(NEVER, NEVER);
  expect(await runService(slow, { LOCKSTEP_SHUTDOWN_MS: "50" }, [[STARTED, "SIGTERM"]])).toMatchObject({
    status: 1,
    output: expect.stringContaining("the service did not stop within LOCKSTEP_SHUTDOWN_MS; exiting"),
  });
  const twice = await runService(slow, { LOCKSTEP_SHUTDOWN_MS: "600000" }, [
    [STARTED, "SIGTERM"],
    [STOPPING, "SIGINT"],
  ]);
  expect(twice.status).toBe(1);
});

test("wrong settings exit with 2 and name each mistake: a restart does not help", async () => {
  const { status, errors } = await runService(service(NEVER), { PORT: "x", LOCKSTEP_NOTHING: "1" });
  expect(status).toBe(2);
  expect(errors).toContain("PORT=x: must be a whole number from 0 to 65535");
  expect(errors).toContain("LOCKSTEP_NOTHING: there is no such setting");
});
