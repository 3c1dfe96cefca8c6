/** Each fault of Redis does what it says to a real server, and restores it. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Redis } from "ioredis";
import { startRedis } from "../../stack/servers/redis.ts";
import { faultContext, type SupervisedServer, superviseServer, systemOf } from "../../tests/harness/chaos-system.ts";
import { eventually, freePort } from "../../tests/harness/servers.ts";
import type { System } from "../system.ts";
import { redisFaults } from "./redis.ts";

let server: SupervisedServer;
let system: System;
let redis: Redis;

beforeAll(async () => {
  const port = await freePort();
  server = await superviseServer("redis", "redis", (dir, onLaunch) => startRedis({ dir, port, onLaunch }));
  system = systemOf({ redis: server.url }, [server.process]);
  redis = new Redis(server.url);
  redis.on("error", () => {});
}, 60_000);

afterAll(async () => {
  redis?.disconnect();
  await server?.[Symbol.asyncDispose]();
});

function inject(name: string): Promise<() => Promise<void>> {
  const fault = redisFaults.find((one) => one.name === name)!;
  expect(fault.subjects(system)).toEqual(["redis"]);
  return fault.inject(faultContext(system, "redis").context);
}

test("a system without Redis has no subject", () => {
  expect(redisFaults.flatMap((fault) => fault.subjects(systemOf({})))).toEqual([]);
});

test("redis-flush removes all keys", async () => {
  await redis.set("key", "value");
  await (await inject("redis-flush"))();
  expect(await redis.dbsize()).toBe(0);
});

test("redis-eviction limits the memory until it ends", async () => {
  const limit = async () => [await redis.config("GET", "maxmemory"), await redis.config("GET", "maxmemory-policy")];
  const before = await limit();
  const end = await inject("redis-eviction");
  expect(await limit()).toEqual([
    ["maxmemory", String(2 * 1024 * 1024)],
    ["maxmemory-policy", "allkeys-lru"],
  ]);
  await end();
  expect(await limit()).toEqual(before);
});

test("redis-read-only rejects writes until it ends", async () => {
  const end = await inject("redis-read-only");
  await expect(redis.set("key", "value")).rejects.toThrow("READONLY");
  await end();
  expect(await redis.set("key", "value")).toBe("OK");
});

test("redis-suspended ends when Redis runs commands again", async () => {
  const end = await inject("redis-suspended");
  let isAnswered = false;
  const answer = redis.ping().then(() => {
    isAnswered = true;
  });
  expect(isAnswered).toBe(false);
  await end();
  await answer;
});

test("redis-old-snapshot brings back what Redis had when it began", async () => {
  await redis.set("key", "old");
  const end = await inject("redis-old-snapshot");
  await redis.set("key", "new");
  await end();
  const value = () => eventually(() => redis.get("key"), { timeoutMs: 5_000, what: "Redis to respond" });
  expect(await value()).toBe("old");
  await server.process.signal("SIGKILL");
  await eventually(async () => (await redis.get("key")) === null, { timeoutMs: 20_000, what: "an empty Redis" });
}, 60_000);
