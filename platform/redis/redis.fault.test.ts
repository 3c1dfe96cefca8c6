import { afterAll, beforeAll, beforeEach, expect, test } from "bun:test";
import { Redis } from "ioredis";
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
  const found = await link.client.eval("return string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')", 0);
  expect(found).toBe(link.runId());
});

test("a killed server is unavailable at once, commands in flight fail, and its successor has another run id", async () => {
  const before = link.runId();
  process.kill(server.pid, "SIGSTOP"); // so that the command is still in flight
  const inFlight = link.client
    .eval("return redis.call('INCR', KEYS[1])", 1, "counted")
    .catch((error: unknown) => error);
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
  await server.stop("SIGKILL");
  await eventually(() => link.runId() === undefined, { timeoutMs: 20_000, what: "the server to be unavailable" });
  const [answered, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { info } = Redis.prototype;
  Redis.prototype.info = async function (this: Redis, ...args: unknown[]) {
    const text = await (info as (...all: unknown[]) => Promise<string>).apply(this, args);
    if (args[0] !== "server") return text; // the client's own request
    this.once("close", released.resolve);
    answered.resolve();
    await released.promise;
    return text;
  } as typeof info;
  try {
    await launch();
    await answered.promise;
    await server.stop("SIGKILL");
    await released.promise;
  } finally {
    Redis.prototype.info = info;
    released.resolve();
  }
  await new Promise((resolve) => setImmediate(resolve));
  expect(link.runId()).toBeUndefined();
  await launch();
  await connected();
});

test("P7: a server whose run id is not known gets no command", async () => {
  const served = Promise.withResolvers<void>();
  // Accepts connections, and answers nothing.
  using silent = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      data: (_, bytes) => {
        expect(bytes.toString()).not.toContain("EVAL");
        served.resolve();
      },
    },
  });
  const logger = createLogger("test", "1", "silent");
  const other = connectRedis(`redis://127.0.0.1:${silent.port}`, { name: "test", silenceMs: SILENCE_MS, logger });
  await served.promise;
  expect(other.runId()).toBeUndefined();
  await expect(other.client.eval("return 1", 0)).rejects.toThrow();
  other.close();
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
  const runIds = new Set<string | undefined>();
  const until = performance.now() + SILENCE_MS * 3;
  const isOver = () => {
    runIds.add(link.runId());
    return performance.now() > until;
  };
  await eventually(isOver, { timeoutMs: 5_000, what: "the time to pass", everyMs: 5 });
  expect([...runIds]).toEqual([before]);
});

test("commands of one turn are answered in order, also when replies are large", async () => {
  const large = "ü".repeat(300_000);
  const replies = await Promise.all([
    link.client.set("large", large, "PX", 10_000),
    link.client.get("large"),
    link.client.get("missing"),
    link.client.eval("return 7", 0),
    link.client.evalsha("0".repeat(40), 0).catch((error: Error) => error.message.slice(0, 8)),
  ]);
  expect(replies).toEqual(["OK", large, null, 7, "NOSCRIPT"]);
});
