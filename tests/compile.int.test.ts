/** The standalone executable: every service and verb, with nothing else on the machine. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, statSync } from "node:fs";
import { join } from "node:path";
import { request } from "./harness/client.ts";
import { eventually } from "./harness/eventually.ts";
import { newProduct } from "./harness/load.ts";
import { freePort, freshDatabase, temporaryFolder } from "./harness/parts.ts";

const root = join(import.meta.dir, "..");
let folder: string;
let executable: string;

beforeAll(async () => {
  folder = temporaryFolder("compile");
  executable = join(folder, "lockstep");
  const build = Bun.spawn([process.execPath, "run", "compile", "--outfile", executable], {
    cwd: root,
    stdout: "pipe",
    stderr: "pipe",
  });
  if ((await build.exited) !== 0) throw new Error(await new Response(build.stderr).text());
  chmodSync(executable, 0o755);
}, 120_000);

/** Runs it where there is nothing: an empty folder, no PATH. */
const run = (args: readonly string[], env: Record<string, string> = {}) =>
  Bun.spawn([executable, ...args], { cwd: folder, env, stdout: "pipe", stderr: "pipe" });

let gateway: ReturnType<typeof run> | undefined;
afterAll(() => gateway?.kill());

test("it says its version and knows every verb", async () => {
  const version = run(["--version"]);
  expect((await new Response(version.stdout).text()).trim()).toBe("0.1.0");
  const help = await new Response(run(["--help"]).stdout).text();
  for (const verb of [
    "gateway",
    "relay",
    "stream",
    "replica",
    "console",
    "status",
    "verify",
    "repair",
    "rebuild",
    "journey",
    "pause",
    "resume",
  ])
    expect(help).toMatch(new RegExp(`^  ${verb}\\b`, "m"));
  expect(statSync(executable).size).toBeLessThan(200_000_000);
});

test("the gateway runs from it, migrations and all", async () => {
  const port = await freePort();
  gateway = run(["gateway"], { DATABASE_URL: await freshDatabase(), PORT: String(port), LOCKSTEP_LOG_LEVEL: "warn" });
  const url = `http://127.0.0.1:${port}`;
  await eventually(async () => (await request("GET", `${url}/health/ready`)).status === 200, {
    withinMs: 20_000,
    what: "the gateway",
  });
  expect((await request("POST", `${url}/products`, newProduct())).status).toBe(201);
  gateway.kill("SIGTERM");
  expect(await gateway.exited).toBe(0);
});
