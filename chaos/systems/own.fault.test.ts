/** `bun run chaos --own` on a stack that it knows by its addresses only. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import postgres from "postgres";
import { Stack } from "../../tests/harness/stack.ts";

let stack: Stack;
let settings: Record<string, string>;
beforeAll(async () => {
  stack = await Stack.start();
  const entry = (name: string) => stack.url(name);
  settings = {
    LOCKSTEP_SOURCE_DATABASE_URL: await entry("gateway-db"),
    LOCKSTEP_REPLICA_DATABASE_URLS: `catalog=${await entry("catalog-db")},storefront=${await entry("storefront-db")}`,
    LOCKSTEP_SERVICE_URLS: (
      await Promise.all(
        ["gateway", "relay", "stream", "catalog", "storefront"].map(async (name) => `${name}=${await entry(name)}`),
      )
    ).join(),
    KAFKA_BROKERS: (await stack.brokers()).join(),
    REDIS_URL: await entry("redis"),
  };
}, 120_000);
afterAll(async () => await stack[Symbol.asyncDispose](), 60_000);

async function chaos(...args: readonly string[]): Promise<{ status: number; output: string }> {
  const child = Bun.spawn([process.execPath, "chaos/main.ts", "--own", ...args, "--keep", stack.data], {
    cwd: join(import.meta.dir, "../.."),
    env: { ...process.env, ...settings },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const texts = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { status: await child.exited, output: texts.join("\n") };
}

test("it says what it is going to do, and does nothing without consent", async () => {
  const { status, output } = await chaos("--seconds", "5");
  expect(status).toBe(3);
  expect(output).toContain(`writes to ${await stack.url("gateway")}`);
  expect(output).toContain("there is no terminal to ask on: add --yes to go on");
  expect(output).not.toContain("run 1 of 1");
  expect(output).not.toContain(new URL(await stack.url("gateway-db")).password);
}, 30_000);

test("a fault that loses data must be allowed", async () => {
  const { status, output } = await chaos("--yes", "--faults", "topic-deleted");
  expect({ status, output }).toEqual({ status: 3, output: expect.stringContaining("allow it with --allow-data-loss") });
}, 30_000);

test("faults that a client can cause happen, and the promises hold", async () => {
  const { status, output } = await chaos("--yes", "--seed", "5", "--seconds", "15", "--faults", "all");
  expect({ status, output }).toEqual({ status: 0, output: expect.stringMatching(/all promises held; [1-9] faults/) });
}, 120_000);

test("a seed is repeated on the same system, and the promises hold", async () => {
  const { status, output } = await chaos("--yes", "--seed", "5", "--seconds", "5", "--faults", "events-repeated");
  expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining("all promises held") });
}, 120_000);

test("a second run is refused while another one acts on the system", async () => {
  const other = postgres(await stack.url("gateway-db"), { connection: { application_name: "chaos" } });
  await other`select 1`;
  const { status, output } = await chaos("--yes", "--seconds", "5");
  await other.end();
  expect({ status, output }).toEqual({
    status: 3,
    output: expect.stringContaining("another chaos acts on this system"),
  });
}, 30_000);

test("a topic is deleted, and resync makes all copies equal again", async () => {
  const flags = ["--yes", "--allow-data-loss", "--seed", "1", "--seconds", "8", "--faults", "topic-deleted"];
  const { status, output } = await chaos(...flags);
  expect({ status, output }).toEqual({ status: 0, output: expect.stringContaining("topic-deleted of") });
}, 240_000);
