/** P14: waits and buffers have limits, rejections give a reason, and a service that does not work is not ready. */
import { expect, test } from "bun:test";
import postgres from "postgres";
import { request } from "../harness/client.ts";
import { eventually } from "../harness/eventually.ts";
import { newProduct } from "../harness/load.ts";
import { sharedStack } from "../harness/shared-stack.ts";

/** Maximum response time of the gateway in milliseconds: LOCKSTEP_STATEMENT_TIMEOUT_MS and a margin. */
const MAX_RESPONSE_MS = 15_000;

test("P14: a write that cannot get its lock gets 503 in bounded time, with the reason and Retry-After", async () => {
  const stack = await sharedStack();
  const gateway = await stack.url("gateway");
  const created = await request("POST", `${gateway}/products`, newProduct());
  const id = created.body.id as string;
  const sql = postgres(await stack.url("gateway-db"), { max: 1, onnotice: () => {} });
  const start = performance.now();
  try {
    await sql.begin(async (transaction) => {
      await transaction`select 1 from products where id = ${id} for update`;
      const blocked = await request("PATCH", `${gateway}/products/${id}`, { stock: 1 });
      expect(performance.now() - start).toBeLessThan(MAX_RESPONSE_MS);
      expect([blocked.status, blocked.headers.get("content-type")]).toEqual([503, "application/problem+json"]);
      expect(Number(blocked.headers.get("retry-after"))).toBeGreaterThan(0);
      expect(blocked.body).toMatchObject({ code: "UNAVAILABLE", status: 503 });
      // The lock does not block other writes.
      expect((await request("POST", `${gateway}/products`, newProduct())).status).toBe(201);
    });
  } finally {
    await sql.end();
  }
  expect((await request("PATCH", `${gateway}/products/${id}`, { stock: 2 })).status).toBe(200);
}, 60_000);

test("P14: every buffer of every service reports its limit and stays within it", async () => {
  const stack = await sharedStack();
  const { services } = await stack.status();
  const lockstepServices = services.filter(({ kind }) =>
    ["gateway", "relay", "stream", "replica", "console"].includes(kind),
  );
  expect(lockstepServices.length).toBeGreaterThanOrEqual(6);
  const buffers: string[] = [];
  for (const { name, url } of lockstepServices) {
    const text = await (await fetch(`${url}/metrics`)).text();
    const values = (metric: string) =>
      new Map(
        [...text.matchAll(new RegExp(`^${metric}\\{[^}]*buffer="([^"]+)"[^}]*\\} (\\S+)`, "gm"))].map(
          ([, buffer, value]) => [buffer!, Number(value)],
        ),
      );
    const limits = values("lockstep_buffer_limit_items");
    for (const [buffer, items] of values("lockstep_buffer_items")) {
      buffers.push(`${name} ${buffer}`);
      expect(limits.get(buffer)).toBeGreaterThan(0);
      expect(items).toBeLessThanOrEqual(limits.get(buffer)!);
    }
  }
  expect(buffers.length).toBeGreaterThan(4);
});

test("P14: the stack reports not ready within seconds after the stream hangs, and ready when it resumes", async () => {
  const stack = await sharedStack();
  await stack.untilReady(30_000);
  await stack.kill("stream", "SIGSTOP");
  try {
    await eventually(async () => !(await stack.status()).ready, {
      timeoutMs: 10_000,
      what: "the stack to stop being ready",
    });
    expect((await stack.entry("stream")).health).not.toBe("ready");
  } finally {
    await stack.kill("stream", "SIGCONT");
  }
  await stack.untilReady(30_000);
}, 90_000);
