import { afterEach, expect, test } from "bun:test";
import { once } from "node:events";
import net from "node:net";
import { createLogger } from "../../observability/logger.ts";
import { createMetrics } from "../../observability/metrics.ts";

import { eventually, freePort } from "../../tests/harness/servers.ts";
import { readSettings } from "../settings/settings.ts";
import { DrainGate } from "./drain-gate.ts";
import { type HttpServer, serveHttp } from "./server.ts";
import { serviceApp } from "./service-app.ts";

let server: HttpServer | undefined;
let release = Promise.withResolvers<void>();
afterEach(async () => {
  release.resolve();
  await server?.stop();
});

/** `/slow` responds when released, `/waiting` with the number of its requests, `/unread` without reading the body. */
function serve(): URL {
  release = Promise.withResolvers<void>();
  let waiting = 0;
  const app = serviceApp({
    checks: [],
    metrics: createMetrics("test", "1"),
    logger: createLogger("test", "1", "silent"),
  });
  app.get("/waiting", (c) => c.text(String(waiting)));
  app.get("/slow", async (c) => {
    waiting++;
    await release.promise;
    return c.text("done");
  });
  app.post("/unread", (c) => c.text("not read", 413));
  server = serveHttp(app, readSettings({ PORT: "0" }));
  return new URL(server.url);
}

interface RawConnection {
  readonly socket: net.Socket;
  /** The first bytes of the response; empty if the connection closes without any. */
  readonly answered: Promise<string>;
  readonly closed: Promise<void>;
}

/** Sends raw bytes. */
function raw(url: URL, bytes: string): RawConnection {
  const answered = Promise.withResolvers<string>();
  const closed = Promise.withResolvers<void>();
  const socket = net.connect(Number(url.port), url.hostname, () => socket.write(bytes));
  socket.on("data", (chunk) => answered.resolve(String(chunk)));
  socket.on("error", () => {});
  socket.on("close", () => {
    answered.resolve("");
    closed.resolve();
  });
  return { socket, answered: answered.promise, closed: closed.promise };
}

test("stop completes requests in flight, accepts no connections, and closes idle ones", async () => {
  const url = serve();
  const idle = raw(url, "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
  expect(await idle.answered).toContain("200 OK");
  const slow = fetch(new URL("/slow", url));
  await eventually(async () => (await (await fetch(new URL("/waiting", url))).text()) === "1", {
    timeoutMs: 5_000,
    what: "the slow request to arrive",
  });
  const stopped = server!.stop();
  await idle.closed;
  await eventually(
    () =>
      fetch(url).then(
        () => false,
        () => true,
      ),
    { timeoutMs: 5_000, what: "new connections to be refused" },
  );
  release.resolve();
  expect(await (await slow).text()).toBe("done");
  await stopped;
});

test("while it drains, each response closes its connection, and readiness fails", async () => {
  const url = serve();
  const ask = (path: string) => fetch(new URL(path, url));
  expect((await ask("/health/ready")).headers.get("connection")).not.toBe("close");
  const stopped = server!.stop();
  const last = await ask("/waiting");
  expect([last.status, last.headers.get("connection")]).toEqual([200, "close"]);
  const ready = await ask("/health/ready");
  expect([ready.status, await ready.json()]).toEqual([503, { status: "stopping" }]);
  await stopped;
});

test("draining continues after a time without CPU, because requests of that time are still unread", async () => {
  const gate = new DrainGate(() => new Response());
  await gate.fetch(new Request("http://localhost/"));
  let isDrained = false;
  const draining = gate.drain(5_000).then(() => {
    isDrained = true;
  });
  // Longer than the quiet time that ends a drain.
  for (const end = performance.now() + 1_050; performance.now() < end; );
  // The gate's poll is due before this timer.
  await new Promise((resolve) => setTimeout(resolve, 0));
  expect(isDrained).toBe(false);
  await draining;
});

test("instances share a port: one that stops leaves it first and resets no connection", async () => {
  const shared = new URL(`http://127.0.0.1:${await freePort()}`);
  const instance = (name: string) => {
    const app = serviceApp({ checks: [], metrics: createMetrics("t", "1"), logger: createLogger("t", "1", "silent") });
    app.post("/echo", async (c) => c.text(name + (await c.req.text())));
    return serveHttp(app, readSettings({ PORT: "0", LOCKSTEP_SHARED_PORT: shared.port }));
  };
  const [first, second] = [instance("first"), instance("second")];
  const echo = async (body: string) => {
    const answer = await fetch(new URL("/echo", shared), { method: "POST", body });
    return (await answer.text()).replace(body, "");
  };
  await expect(echo("too early")).rejects.toThrow();
  for (const one of [first, second]) one.listenShared();
  // Larger than the socket buffers of both directions, and different everywhere.
  const large = Array.from({ length: 800_000 }, (_, i) => i).join(" ");
  expect((await echo(large)).slice(0, 20)).toMatch(/^(first|second)$/);
  // Concurrent requests need one connection each. Later requests reuse them.
  const names = await Promise.all(Array.from({ length: 40 }, (_, i) => echo(`${i}`)));
  expect(new Set(names)).toEqual(new Set(["first", "second"]));
  const stopped = first.stop();
  const asked = await Promise.all(
    Array.from({ length: 200 }, async (_, i) => {
      await Bun.sleep(i * 4);
      return await echo(`${i}`);
    }),
  );
  expect(asked.filter((name) => name !== "first" && name !== "second")).toEqual([]);
  await stopped;
  expect(await echo("afterwards")).toBe("second");
  await second.stop();
  await expect(echo("too late")).rejects.toThrow();
});

test("stop has a time limit, and a second call is harmless", async () => {
  const url = serve();
  const slow = fetch(new URL("/slow", url)).then(
    () => "completed",
    () => "reset",
  );
  await eventually(async () => (await (await fetch(new URL("/waiting", url))).text()) === "1", {
    timeoutMs: 5_000,
    what: "the slow request to arrive",
  });
  await Promise.all([server!.stop(), server!.stop()]);
  expect(await slow).toBe("reset");
}, 20_000);

test("an unread body is not buffered", async () => {
  const url = serve();
  const before = process.memoryUsage.rss();
  const length = 200_000_000;
  const { socket, answered, closed } = raw(
    url,
    `POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: ${length}\r\n\r\n`,
  );
  expect(await answered).toContain("413");
  const chunk = Buffer.alloc(65_536);
  for (let sent = 0; sent < length && !socket.destroyed; sent += chunk.length)
    if (!socket.write(chunk)) await Promise.race([closed, once(socket, "drain")]);
  socket.destroy();
  expect((process.memoryUsage.rss() - before) / 1e6).toBeLessThan(60);
  expect((await fetch(new URL("/health/live", url))).status).toBe(200);
});

test("input that is not HTTP is rejected, and the server continues", async () => {
  const url = serve();
  const requests = [
    "\r\n\r\n\u0000\u0001",
    "GET / HTTP/1.1\r\n\r\n",
    "POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    `GET / HTTP/1.1\r\nHost: x\r\nX-Long: ${"x".repeat(100_000)}\r\n\r\n`,
    "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
  ];
  for (const request of requests) expect(await raw(url, request).answered).toMatch(/^(HTTP\/1\.1 (4\d\d|505) .*|$)/);
  expect((await fetch(new URL("/health/live", url))).status).toBe(200);
});
