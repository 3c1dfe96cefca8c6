/** `bun run up`, `down` and `status` as a user meets them. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { identityOf } from "../stack/processes.ts";
import { request, shows } from "./harness/client.ts";
import { newProduct } from "./harness/load.ts";
import { eventually, temporaryFolder } from "./harness/parts.ts";
import { Stack } from "./harness/stack.ts";

let stack: Stack;
beforeAll(async () => {
  stack = await Stack.start();
}, 120_000);
afterAll(() => stack[Symbol.asyncDispose](), 60_000);

async function bun(...given: readonly (string | Record<string, string>)[]) {
  const args = given.filter((arg) => typeof arg === "string");
  const env = Object.assign({}, process.env, ...given.filter((arg) => typeof arg === "object"));
  const child = Bun.spawn([process.execPath, "run", ...args], { cwd: stack.root, env, stdout: "pipe", stderr: "pipe" });
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { code: await child.exited, said: out + err };
}

test("status names each process and server with kind, pid, url and health, and the test write of `up` left nothing behind", async () => {
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
  await stack.ready(30_000);
});

test("a second up on the same data folder, or on ports in use, is refused in a line and starts nothing", async () => {
  const again = await bun("up", "--detach", "--data", stack.data, "--port-base", String(stack.portBase));
  expect(again.code).toBe(1);
  expect(again.said).toMatch(/a stack already runs on .* \(supervisor pid \d+\): see it with bun run status/);

  const data = temporaryFolder("refused");
  const taken = await bun("up", "--data", data, "--port-base", String(stack.portBase));
  expect(taken.code).toBe(1);
  expect(taken.said).toMatch(/ports \d+ \(for gateway-db\).* already in use: .*--port-base N/);
  expect(readdirSync(data)).toEqual(["logs"]);
  expect((await stack.status()).ready).toBe(true);
});

test("a wrong setting is told before anything is started", async () => {
  const data = temporaryFolder("settings");
  const { code, said } = await bun("up", "--data", data, { LOCKSTEP_PARTITONS: "12", LOCKSTEP_RELAY_BATCH: "many" });
  expect(code).toBe(1);
  expect(said).toContain("LOCKSTEP_PARTITONS: there is no such setting");
  expect(said).toContain("LOCKSTEP_RELAY_BATCH=many: must be a whole number from 1 to 20000");
  expect(readdirSync(data)).toEqual([]);
});

test("the stack's own brokers take no client that speaks TLS, or says who it is", async () => {
  const data = temporaryFolder("wrong");
  const { code, said } = await bun("up", "--data", data, { KAFKA_BROKERS: "", KAFKA_TLS: "true" });
  expect(code).toBe(1);
  expect(said).toContain(
    "KAFKA_TLS and KAFKA_SASL_MECHANISM: the stack's own brokers support neither; set KAFKA_BROKERS",
  );
  expect(readdirSync(data)).toEqual([]);
});

test("a second stack with a folder and ports of its own, which asks for tokens, runs beside the first, and neither sees the other's writes", async () => {
  await using beside = await Stack.start({ auth: true });
  const products = `${await beside.url("gateway")}/products`;
  expect((await request("POST", products, newProduct())).status).toBe(401);
  const { said } = await bun("--silent", "lockstep", "token", "--data", beside.data, "--scope", "lockstep:write");
  expect(said).toContain("for development only");
  const headers = { authorization: `Bearer ${said.split("\n")[0]}` };
  const written = await request("POST", products, newProduct(), headers);
  await shows(await beside.url("catalog"), written.body.id as string, 1);
  expect((await stack.status()).ready).toBe(true);
  const elsewhere = await request("GET", `${await stack.url("gateway")}/products/${written.body.id}`);
  expect(elsewhere.status).toBe(404);
}, 120_000);

test("after the supervisor was killed, status says so, up clears up and starts anew, and what was written is still there", async () => {
  const created = await request("POST", `${await stack.url("gateway")}/products`, newProduct());
  expect(created.status).toBe(201);
  const supervisor = async () => (await Bun.file(join(stack.data, "stack.json")).json()).supervisor.pid as number;
  process.kill(await supervisor(), "SIGKILL");
  const orphans = (await stack.status()).services.map(({ pid }) => pid);
  await eventually(async () => !(await stack.status()).ready, { timeoutMs: 5_000, what: "status to say not ready" });
  expect((await bun("status", "--data", stack.data)).said).toContain("the supervisor is not running");

  const up = await bun("up", "--detach", "--data", stack.data, "--port-base", String(stack.portBase));
  expect(up.said).toContain("left over from a stack whose supervisor was killed");
  expect(up.code).toBe(0);
  expect(orphans.filter((pid) => identityOf(pid) !== undefined)).toEqual([]);
  const { status } = await request("GET", `${await stack.url("gateway")}/products/${created.body.id}`);
  expect(status).toBe(200);
});

test("down stops everything, also what a killed supervisor left, and keeps the data", async () => {
  const { services } = await stack.status();
  expect((await bun("down", "--data", stack.data)).code).toBe(0);
  expect(services.filter(({ pid }) => identityOf(pid) !== undefined)).toEqual([]);
  expect(existsSync(join(stack.data, "stack.json"))).toBe(false);
  expect(existsSync(join(stack.data, "gateway-db/data/PG_VERSION"))).toBe(true);
  expect((await bun("down", "--data", stack.data)).said).toContain("nothing runs on");
});
