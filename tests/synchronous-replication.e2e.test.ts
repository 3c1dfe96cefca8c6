/** `Prefer: wait` through the whole stack: the gateway responds when both replicas have applied the write. */
import { expect, test } from "bun:test";
import { request } from "./harness/client.ts";
import { newProduct } from "./harness/load.ts";
import { sharedStack } from "./harness/shared-stack.ts";

const WARM_UP = 400;
const WRITES = 300;
const EVERY_MS = 10;

test("both replicas confirm 100 waiting writes a second, including drafts and deletes", async () => {
  const stack = await sharedStack();
  const [gateway, catalog, storefront] = await Promise.all(
    ["gateway", "catalog", "storefront"].map((name) => stack.url(name)),
  );
  const prefer = { prefer: "wait=5" };
  const first = await request("POST", `${gateway}/products`, newProduct(), prefer);
  expect(first.headers.get("lockstep-replicas")).not.toContain("behind");

  const write = async (dueMs: number) => {
    await Bun.sleep(dueMs - performance.now());
    const sent = performance.now();
    const response = await request("POST", `${gateway}/products`, newProduct(), prefer);
    return { response, ms: performance.now() - sent };
  };
  const atRate = (writes: number) => {
    const start = performance.now();
    return Promise.all(Array.from({ length: writes }, (_, i) => write(start + i * EVERY_MS)));
  };
  // A new process runs code that is not compiled yet. The figures are those of a stack after this warm-up.
  await atRate(WARM_UP);
  const responses = await atRate(WRITES);
  for (const { response } of responses) {
    expect(response.status).toBe(201);
    expect(response.headers.get("lockstep-replicas")).toMatch(/^catalog;ms=\d+, storefront;ms=\d+$/);
  }
  const { body } = responses[0]!.response;
  // The reads do not wait: both replicas have confirmed the write.
  expect((await request("GET", `${catalog}/products/${body.id}`)).status).toBe(200);
  const expected = body.status === "active" ? 200 : 404;
  expect((await request("GET", `${storefront}/products/${body.id}`)).status).toBe(expected);
  const deleted = await request("DELETE", `${gateway}/products/${body.id}`, undefined, prefer);
  expect([deleted.status, deleted.headers.get("lockstep-replicas")]).toEqual([
    204,
    expect.not.stringContaining("behind"),
  ]);
  expect((await request("GET", `${catalog}/products/${body.id}`)).status).toBe(404);

  const reportedMs = responses.flatMap(
    ({ response }) => (response.headers.get("lockstep-replicas") ?? "").match(/\d+/g) ?? [],
  );
  const applied = reportedMs.map(Number).sort((a, b) => a - b);
  console.log(`applied after p50 ${applied[WRITES]} ms, p99 ${applied[Math.floor(WRITES * 2 * 0.99)]} ms`);
  const sorted = responses.map(({ ms }) => ms).sort((a, b) => a - b);
  console.log(
    `responded after p50 ${sorted[WRITES / 2]!.toFixed(1)} ms, p99 ${sorted[Math.floor(WRITES * 0.99)]!.toFixed(1)} ms`,
  );
}, 60_000);
