/** `bun run up`, `down` and `status` from the command line. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { identityOf } from "../stack/processes.ts";
import { request, untilVisible } from "./harness/client.ts";
import { newProduct } from "./harness/load.ts";
import { eventually, temporaryFolder } from "./harness/servers.ts";
import { Stack } from "./harness/stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start();
}, 120_000);
afterAll(() => stack[Symbol.asyncDispose](), 60_000);

async function bun(...argsAndEnv: readonly (string | Record<string, string>)[]) {
  const args = argsAndEnv.filter((arg) => typeof arg === "string");
  const env = Object.assign({}, process.env, ...argsAndEnv.filter((arg) => typeof arg === "object"));
  const child = Bun.spawn([process.execPath, "run", ...args], { cwd: stack.root, env, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, output: out + err };
}

test("status lists each process with kind, pid, url and health, and the smoke test of `up` left no data", async () => {
  const { ready, services } = await stack.status();
  expect(ready).toBe(true);
  expect(services.map(({ kind, name }) => `${kind} ${name}`).sort()).toEqual([
    "broker broker",
    "console console",
    "gateway gateway",
    "postgres catalog-db",
    "postgres gateway-db",
    "postgres storefront-db",
    "redis redis",
    "relay relay",
    "replica catalog",
    "replica storefront",
    "stream stream",
  ]);
  for (const { pid, health, url } of services) {
    expect(identityOf(pid)).toBeDefined();
    expect(health).toBe("ready");
    expect(url).toMatch(/^(http:\/\/|postgres:\/\/|redis:\/\/)?.*\d+/);
  }
  expect((await bun("status", "--data", stack.data)).code).toBe(0);
  for (const name of ["gateway", "catalog", "storefront"])
    expect(await (await fetch(`${await stack.url(name)}/products`)).text()).not.toContain("Espresso cup");
});

test.each(["relay", "catalog", "catalog-db", "redis"])("a killed %s is restarted at the same address", async (name) => {
  const before = await stack.entry(name);
  await stack.kill(name, "SIGKILL");
  const after = await eventually(
    async () => {
      const now = await stack.entry(name);
      return now.pid !== before.pid && now.health === "ready" && now;
    },
    { timeoutMs: 30_000, what: `${name} to be ready again` },
  );
  expect(after.url).toBe(before.url);
  await stack.untilReady(30_000);
});

test.each(["stream", "redis", "catalog-db"])("stop keeps %s down until start, and status says why", async (name) => {
  const before = await stack.entry(name);
  const stopped = await bun("stop", name, "--data", stack.data);
  expect(stopped).toMatchObject({ code: 0, output: expect.stringContaining(`start it with: bun run start ${name}`) });
  expect(identityOf(before.pid)).toBeUndefined();
  expect((await bun("status", "--data", stack.data)).output).toContain(`${name} 1: down: stopped by bun run stop`);
  expect(await bun("start", name, "--data", stack.data)).toMatchObject({ code: 0 });
  expect(await stack.entry(name)).toMatchObject({ url: before.url, health: "ready" });
  await stack.untilReady(30_000);
});

test("stop and start reject a process that does not exist", async () => {
  for (const verb of ["stop", "start"]) {
    const { code, output } = await bun(verb, "sink", "--data", stack.data);
    expect([code, output]).toEqual([
      1,
      expect.stringContaining("there is no process sink; the processes are: gateway,"),
    ]);
  }
});

test("up rejects a data folder or ports in use with one line, and starts nothing", async () => {
  const secondUp = await bun("up", "--detach", "--data", stack.data, "--port-base", String(stack.portBase));
  expect(secondUp.code).toBe(1);
  expect(secondUp.output).toMatch(/a stack already runs on .* \(supervisor pid \d+\): see it with bun run status/);

  const data = temporaryFolder("rejected");
  const samePorts = await bun("up", "--data", data, "--port-base", String(stack.portBase));
  expect(samePorts.code).toBe(1);
  expect(samePorts.output).toMatch(/ports \d+ \(for gateway-db\).* already in use: .*--port-base N/);
  expect(readdirSync(data)).toEqual(["logs"]);
  expect((await stack.status()).ready).toBe(true);
});

test("up reports invalid settings before it starts any process", async () => {
  const data = temporaryFolder("settings");
  const { code, output } = await bun("up", "--data", data, { LOCKSTEP_PARTITONS: "12", LOCKSTEP_RELAY_BATCH: "many" });
  expect(code).toBe(1);
  expect(output).toContain("LOCKSTEP_PARTITONS: there is no such setting");
  expect(output).toContain("LOCKSTEP_RELAY_BATCH=many: must be a whole number from 1 to 20000");
  expect(readdirSync(data)).toEqual([]);
});

test("up rejects TLS and SASL settings for the stack's own brokers", async () => {
  const data = temporaryFolder("wrong");
  const { code, output } = await bun("up", "--data", data, { KAFKA_BROKERS: "", KAFKA_TLS: "true" });
  expect(code).toBe(1);
  expect(output).toContain(
    "KAFKA_TLS and KAFKA_SASL_MECHANISM: the stack's own brokers support neither; set KAFKA_BROKERS",
  );
  expect(readdirSync(data)).toEqual([]);
});

test("a second stack with its own folder and ports requires tokens and shares no writes with the first", async () => {
  await using second = await Stack.start({ auth: true });
  const products = `${await second.url("gateway")}/products`;
  expect((await request("POST", products, newProduct())).status).toBe(401);
  const { output } = await bun("--silent", "lockstep", "token", "--data", second.data, "--scope", "lockstep:write");
  expect(output).toContain("for development only");
  const headers = { authorization: `Bearer ${output.split("\n")[0]}` };
  const created = await request("POST", products, newProduct(), headers);
  await untilVisible(await second.url("catalog"), created.body.id as string, 1);
  expect((await stack.status()).ready).toBe(true);
  const inFirst = await request("GET", `${await stack.url("gateway")}/products/${created.body.id}`);
  expect(inFirst.status).toBe(404);
}, 120_000);

test("after a kill of the supervisor, status reports it, and up stops the orphans and keeps the data", async () => {
  const created = await request("POST", `${await stack.url("gateway")}/products`, newProduct());
  expect(created.status).toBe(201);
  const supervisor = async () => (await Bun.file(join(stack.data, "stack.json")).json()).supervisor.pid as number;
  process.kill(await supervisor(), "SIGKILL");
  const orphans = (await stack.status()).services.map(({ pid }) => pid);
  await eventually(async () => !(await stack.status()).ready, {
    timeoutMs: 5_000,
    what: "status to report that the stack is not ready",
  });
  expect((await bun("status", "--data", stack.data)).output).toContain("the supervisor is not running");

  const up = await bun("up", "--detach", "--data", stack.data, "--port-base", String(stack.portBase));
  expect(up.output).toContain("left over from a stack whose supervisor was killed");
  expect(up.code).toBe(0);
  expect(orphans.filter((pid) => identityOf(pid) !== undefined)).toEqual([]);
  const { status } = await request("GET", `${await stack.url("gateway")}/products/${created.body.id}`);
  expect(status).toBe(200);
});

test("down stops every process, also those of a killed supervisor, and keeps the data", async () => {
  const { services } = await stack.status();
  expect((await bun("down", "--data", stack.data)).code).toBe(0);
  expect(services.filter(({ pid }) => identityOf(pid) !== undefined)).toEqual([]);
  expect(existsSync(join(stack.data, "stack.json"))).toBe(false);
  expect(existsSync(join(stack.data, "gateway-db/data/PG_VERSION"))).toBe(true);
  expect((await bun("down", "--data", stack.data)).output).toContain("nothing runs on");
});
