import { expect, test } from "bun:test";
import { join } from "node:path";
import { sleep } from "../../platform/async/sleep.ts";
import { project } from "../../tests/project/index.ts";
import { workloadOf } from "../workload/workload.ts";
import { Generator, type GeneratorMessage, type GeneratorResult, type RateLoad, type Sample } from "./generator.ts";

/**
 * A gateway without storage. It responds at once, except from `from` to `to`, in milliseconds after the first write.
 */
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
      if (elapsed >= stall.from && elapsed < stall.to) await sleep(stall.to - elapsed);
      if (request.method === "DELETE") return new Response(null, { status: 204 });
      const { pathname } = new URL(request.url);
      const id = request.method === "POST" ? crypto.randomUUID() : pathname.split("/").at(-1);
      const document = { id, ...((await request.json()) as object) };
      return Response.json(document, { status: request.method === "POST" ? 201 : 200, headers: { etag: '"3"' } });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, methods, [Symbol.dispose]: () => void server.stop(true) };
}

async function run(gateway: string, load: Omit<RateLoad, "warmUpSeconds"> & Partial<RateLoad>) {
  const samples: Sample[] = [];
  let result: GeneratorResult | undefined;
  const onMessage = (message: GeneratorMessage) => {
    if (message.type === "sample") samples.push(message.sample);
    if (message.type === "done") result = message.result;
  };
  const fixed = { seed: 1, run: "test", samplesPerSecond: 50 };
  const options = { gateway, ...fixed, load: { warmUpSeconds: 0, ...load } };
  await new Generator(options, await workloadOf(project), onMessage).run();
  return { result: result!, samples };
}

test("every due write is sent, writes after the warm-up are counted, and a sample of acknowledged writes is reported", async () => {
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

test("a stall delays no later write, and counts for each write that was due during it", async () => {
  using gateway = fakeGateway({ from: 200, to: 700 });
  const { result } = await run(gateway.url, { ratePerSecond: 400, seconds: 1 });
  expect(result.acknowledged).toBe(400);
  // Due during the stall: 500 ms at 400/s. A closed loop or fetch's limit would leave only a few.
  expect(result.maxInFlight).toBeGreaterThan(150);
  expect(result.ackMs.filter((ms) => ms > 100).length).toBeGreaterThan(120);
  expect(Math.max(...result.ackMs)).toBeGreaterThan(400);
});

test("clients send one write after the other, and never more at a time than there are clients", async () => {
  using gateway = fakeGateway();
  let result: GeneratorResult | undefined;
  const options = {
    gateway: gateway.url,
    seed: 1,
    run: "test",
    samplesPerSecond: 0,
    load: { clients: 8, writes: 500 },
  };
  await new Generator(options, await workloadOf(project), (message) => {
    if (message.type === "done") result = message.result;
  }).run();
  expect(gateway.methods).toHaveLength(500);
  expect(result).toMatchObject({ sent: 500, acknowledged: 500, failed: {}, maxInFlight: 8 });
});

test("rejected writes are counted by status, writes without a response under none", async () => {
  using rejecting = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: () => new Response("unavailable", { status: 503 }),
  });
  const rejected = await run(`http://127.0.0.1:${rejecting.port}`, { ratePerSecond: 100, seconds: 0.2 });
  expect(rejected.result).toMatchObject({ sent: 20, acknowledged: 0, failed: { 503: 20 } });
  const unreachable = await run("http://127.0.0.1:9", { ratePerSecond: 100, seconds: 0.2 });
  expect(unreachable.result).toMatchObject({ sent: 20, acknowledged: 0, failed: { none: 20 } });
});

test("the generator process reports all figures of a long run before it ends", async () => {
  using gateway = fakeGateway();
  const options = { gateway: gateway.url, load: { ratePerSecond: 5_000, seconds: 2, warmUpSeconds: 0 } };
  const argument = JSON.stringify({ ...options, seed: 1, run: "test", samplesPerSecond: 0 });
  let result: GeneratorResult | undefined;
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "generator-process.ts"), argument], {
    stdio: ["ignore", "inherit", "inherit"],
    ipc(message: GeneratorMessage) {
      if (message.type !== "done") return;
      result = message.result;
      child.disconnect();
    },
  });
  expect(await child.exited).toBe(0);
  expect(result?.sendDelayMs).toHaveLength(10_000);
}, 30_000);
