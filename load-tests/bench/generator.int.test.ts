import { expect, test } from "bun:test";
import { join } from "node:path";
import { Generator, type GeneratorResult, type Message, type Sample } from "./generator.ts";

/** A gateway that keeps nothing: each write is answered at once, but none from `from` to `to`, in milliseconds after the first. */
function fakeGateway(stall: { from: number; to: number } = { from: 0, to: 0 }) {
  const methods: string[] = [];
  let first = 0;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      first ||= performance.now();
      methods.push(request.method);
      const elapsed = performance.now() - first;
      if (elapsed >= stall.from && elapsed < stall.to) await Bun.sleep(stall.to - elapsed);
      if (request.method === "DELETE") return new Response(null, { status: 204 });
      const { pathname } = new URL(request.url);
      const id = request.method === "POST" ? crypto.randomUUID() : pathname.split("/").at(-1);
      const document = { id, ...((await request.json()) as object) };
      return Response.json(document, { status: request.method === "POST" ? 201 : 200, headers: { etag: '"3"' } });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, methods, [Symbol.dispose]: () => void server.stop(true) };
}

async function run(gateway: string, options: { ratePerSecond: number; seconds: number; warmUpSeconds?: number }) {
  const samples: Sample[] = [];
  let result: GeneratorResult | undefined;
  const tell = (message: Message) => {
    if (message.type === "sample") samples.push(message.sample);
    if (message.type === "done") result = message.result;
  };
  const fixed = { seed: 1, run: "test", samplesPerSecond: 50, warmUpSeconds: 0 };
  await new Generator({ gateway, ...fixed, ...options }, tell).run();
  return { result: result!, samples };
}

test("every write that is due is sent and counted, warm-up apart, and a sample of what was acknowledged is named", async () => {
  using gateway = fakeGateway();
  const { result, samples } = await run(gateway.url, { ratePerSecond: 500, seconds: 1, warmUpSeconds: 0.2 });
  expect(gateway.methods).toHaveLength(600);
  expect(result).toMatchObject({ sent: 500, acknowledged: 500, failed: {} });
  expect(result.ackMs).toHaveLength(500);
  const share = (method: string) => gateway.methods.filter((m) => m === method).length / 600;
  expect(share("POST")).toBeWithin(0.4, 0.65);
  expect(share("DELETE")).toBeWithin(0.04, 0.2);
  expect(samples.length).toBeWithin(30, 51);
  for (const { version, replicas } of samples) {
    expect(version).toBe(3);
    expect(replicas).toContain("catalog");
  }
});

test("a stall delays no later write, and shows in each write that was due while it lasted", async () => {
  using gateway = fakeGateway({ from: 200, to: 700 });
  const { result } = await run(gateway.url, { ratePerSecond: 400, seconds: 1 });
  expect(result.acknowledged).toBe(400);
  // Due within the stall: 500 ms of 400/s. A closed loop, or fetch's limit, would show a handful.
  expect(result.mostUnderWay).toBeGreaterThan(150);
  expect(result.ackMs.filter((ms) => ms > 100).length).toBeGreaterThan(120);
  expect(Math.max(...result.ackMs)).toBeGreaterThan(400);
});

test("writes that are refused or not answered are counted by what happened to them", async () => {
  using refusing = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response("away", { status: 503 }) });
  const refused = await run(`http://127.0.0.1:${refusing.port}`, { ratePerSecond: 100, seconds: 0.2 });
  expect(refused.result).toMatchObject({ sent: 20, acknowledged: 0, failed: { 503: 20 } });
  const nobody = await run("http://127.0.0.1:9", { ratePerSecond: 100, seconds: 0.2 });
  expect(nobody.result).toMatchObject({ sent: 20, acknowledged: 0, failed: { none: 20 } });
});

test("as a process of its own it hands over every figure of a long run before it ends", async () => {
  using gateway = fakeGateway();
  const options = { gateway: gateway.url, ratePerSecond: 5_000, seconds: 2, warmUpSeconds: 0 };
  const argument = JSON.stringify({ ...options, seed: 1, run: "test", samplesPerSecond: 0 });
  let result: GeneratorResult | undefined;
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "generator-process.ts"), argument], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc(message: Message) {
      if (message.type !== "done") return;
      result = message.result;
      child.disconnect();
    },
  });
  expect(await child.exited).toBe(0);
  expect(result?.lateMs).toHaveLength(10_000);
}, 30_000);
