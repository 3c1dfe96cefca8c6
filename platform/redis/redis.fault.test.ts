import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { once } from "node:events";
import { createLogger } from "../../observability/logger.ts";
import { startRedis } from "../../stack/servers/redis.ts";
import type { Server } from "../../stack/servers/server.ts";
import { stopAtExit } from "../../tests/harness/clean-up-at-exit.ts";
import { eventually } from "../../tests/harness/eventually.ts";
import { freePort, temporaryFolder } from "../../tests/harness/servers.ts";
import { connectRedis, type RedisLink } from "./redis.ts";

const SILENCE_MS = 250;
let folder: string;
let port: number;
let server: Server;
let link: RedisLink;

const launch = async () => {
  server = await startRedis({ dir: folder, port });
  stopAtExit(server.pid, "KILL", folder);
};
const connected = () => eventually(() => link.runId(), { timeoutMs: 10_000, what: "a server" });

beforeAll(async () => {
  folder = temporaryFolder("redis");
  port = await freePort();
  await launch();
  link = connectRedis(server.url, { name: "test", silenceMs: SILENCE_MS, logger: createLogger("test", "1", "silent") });
}, 60_000);
beforeEach(connected);
afterAll(async () => {
  link.close();
  await server.stop("SIGKILL");
});

test("knows the run id of its server", async () => {
  expect(link.runId()).toMatch(/^[0-9a-f]{40}$/);
  expect(await link.client.info("server")).toContain(`run_id:${link.runId()}`);
});

test("a killed server is unavailable at once, commands in flight fail, and its successor has another run id", async () => {
  const before = link.runId();
  process.kill(server.pid, "SIGSTOP"); // so that the command is still in flight
  const inFlight = link.client.incr("counted").catch((error: unknown) => error);
  await server.stop("SIGKILL");
  expect(await inFlight).toBeInstanceOf(Error);
  await eventually(() => link.runId() === undefined, { timeoutMs: 20_000, what: "the server to be unavailable" });
  const start = performance.now();
  await expect(link.client.get("x")).rejects.toThrow();
  expect(performance.now() - start).toBeLessThan(SILENCE_MS);
  await launch();
  expect(await connected()).not.toBe(before!);
  // The command was not queued and resent.
  expect(await link.client.get("counted")).toBeNull();
});

test("P7: a server that stops before its run id arrives is not believed to be there", async () => {
  const { client } = link;
  await server.stop("SIGKILL");
  await eventually(() => link.runId() === undefined, { timeoutMs: 20_000, what: "the server to be unavailable" });
  const [answered, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const info = client.info.bind(client) as (...args: unknown[]) => Promise<string>;
  client.info = async (...args: unknown[]) => {
    const text = await info(...args);
    if (args[0] !== "server") return text; // the client's own request
    answered.resolve();
    await released.promise;
    return text;
  };
  try {
    await launch();
    await answered.promise;
    const closed = once(client, "close");
    await server.stop("SIGKILL");
    await closed;
  } finally {
    client.info = info;
    released.resolve();
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(link.runId()).toBeUndefined();
  await launch();
  await connected();
});

test("a server that owes a response and is silent is unavailable; when it continues, it has the same run id", async () => {
  const before = link.runId();
  process.kill(server.pid, "SIGSTOP");
  try {
    const start = performance.now();
    await expect(link.client.get("x")).rejects.toThrow();
    expect(performance.now() - start).toBeLessThan(SILENCE_MS * 4);
    await eventually(() => link.runId() === undefined, { timeoutMs: 20_000, what: "the server to be unavailable" });
  } finally {
    process.kill(server.pid, "SIGCONT");
  }
  expect(await connected()).toBe(before!);
});

test("an idle server may be silent", async () => {
  const before = link.runId();
  let lost = false;
  link.client.once("close", () => {
    lost = true;
  });
  const until = performance.now() + SILENCE_MS * 3;
  await eventually(() => performance.now() > until, { timeoutMs: 5_000, what: "the time to pass" });
  expect([lost, link.runId()]).toEqual([false, before]);
});
