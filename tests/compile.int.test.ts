/** The standalone executable: every service and verb, with nothing else on the machine. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { chmodSync, statSync } from "node:fs";
import { join } from "node:path";
import { asyncApi } from "../contracts/asyncapi/document.ts";
import { gatewayOpenApi } from "../gateway/openapi/document.ts";
import { developmentSettings, ensureDevelopmentKey } from "../platform/auth/development.ts";
import { VERSION } from "../platform/version.ts";
import { replicaOpenApi } from "../replicas/reads/openapi.ts";
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
    "health",
    "token",
    "status",
    "verify",
    "repair",
    "rebuild",
    "journey",
    "pause",
    "resume",
    "openapi",
    "asyncapi",
  ])
    expect(help).toMatch(new RegExp(`^  ${verb}\\b`, "m"));
  expect(statSync(executable).size).toBeLessThan(200_000_000);
});

test("it prints the descriptions of its APIs", async () => {
  const printed = async (...args: string[]) => await new Response(run(args).stdout).json();
  const plain = (document: object) => JSON.parse(JSON.stringify(document));
  expect(await printed("openapi", "gateway")).toEqual(plain(gatewayOpenApi()));
  expect(await printed("openapi", "storefront")).toEqual(plain(replicaOpenApi("storefront")));
  expect(await printed("asyncapi")).toEqual(plain(asyncApi(VERSION)));
});

test("the gateway runs from it, migrations, tokens and all, and the same executable asks for its health", async () => {
  await ensureDevelopmentKey(folder);
  const settings = {
    ...developmentSettings(folder),
    DATABASE_URL: await freshDatabase(),
    PORT: String(await freePort()),
    LOCKSTEP_LOG_LEVEL: "warn",
  };
  gateway = run(["gateway"], settings);
  await eventually(async () => (await run(["health"], settings).exited) === 0, {
    timeoutMs: 20_000,
    what: "the gateway",
  });
  const url = `http://127.0.0.1:${settings.PORT}`;
  const token = (await new Response(run(["token", "--data", folder]).stdout).text()).trim();
  const headers = { authorization: `Bearer ${token}` };
  expect((await request("POST", `${url}/products`, newProduct())).status).toBe(401);
  expect((await request("POST", `${url}/products`, newProduct(), headers)).status).toBe(201);
  gateway.kill("SIGTERM");
  expect(await gateway.exited).toBe(0);
  const asked = run(["health"], settings);
  expect(await asked.exited).toBe(1);
  expect(await new Response(asked.stderr).text()).toContain(`${url}/health/ready does not answer`);
});

test("the console's page is inside it, and changes nothing where that was not allowed", async () => {
  const port = String(await freePort());
  const nowhere = "127.0.0.1:9";
  const settings = { LOCKSTEP_SOURCE_DATABASE_URL: `postgres://${nowhere}/source`, KAFKA_BROKERS: nowhere, PORT: port };
  const started = run(["console"], { ...settings, LOCKSTEP_LOG_LEVEL: "error" });
  const url = `http://127.0.0.1:${port}`;
  try {
    const page = await eventually(() => fetch(url), { timeoutMs: 20_000, what: "the console" });
    const paths = [...(await page.text()).matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path);
    expect(paths.length).toBeGreaterThan(5);
    for (const path of paths) expect((await fetch(url + path)).status).toBe(200);
    expect(page.headers.get("content-security-policy")).toStartWith("default-src 'none'; script-src 'self'");
    expect((await request("POST", `${url}/api/pause`, { name: "stream", paused: true })).status).toBe(403);
    expect((await request("GET", `${url}/api/about`)).body).toMatchObject({ operations: false });
  } finally {
    started.kill();
  }
}, 30_000);

test("a service needs less than 300 ms of CPU from its start until it is ready, with tracing on", async () => {
  const settings = { DATABASE_URL: await freshDatabase(), OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:9" };
  const starts: { cpuMs: number; wallMs: number }[] = [];
  for (let i = 0; i < 4; i++) starts.push(await start(settings));
  console.log("from start to ready:", starts.map(({ cpuMs, wallMs }) => `${cpuMs} ms CPU in ${wallMs} ms`).join(", "));
  // CPU, since on a busy machine the time on the clock is the others'.
  expect(Math.min(...starts.map(({ cpuMs }) => cpuMs))).toBeLessThan(300);
}, 60_000);

/** Starts a gateway, and ends it at its first answer that it is ready. */
async function start(settings: Record<string, string>): Promise<{ cpuMs: number; wallMs: number }> {
  const port = await freePort();
  const begun = performance.now();
  const started = run(["gateway"], { ...settings, PORT: String(port), LOCKSTEP_LOG_LEVEL: "error" });
  const ready = () =>
    fetch(`http://127.0.0.1:${port}/health/ready`).then(
      ({ ok }) => ok,
      () => false,
    );
  while (!(await ready())) {
    if (started.exitCode !== null) throw new Error(await new Response(started.stderr).text());
    await Bun.sleep(2);
  }
  const wallMs = Math.round(performance.now() - begun);
  started.kill("SIGKILL");
  await started.exited;
  return { cpuMs: Math.round(Number(started.resourceUsage()!.cpuTime.total) / 1_000), wallMs };
}
