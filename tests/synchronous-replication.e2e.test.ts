/** `Prefer: wait` through the whole stack: the answer comes when both replicas have the write. */
import { expect, test } from "bun:test";
import { request } from "./harness/client.ts";
import { newProduct } from "./harness/load.ts";
import { sharedStack } from "./harness/shared-stack.ts";

const WARM_UP = 400;
const WRITES = 300;
const EVERY_MS = 10;

test("100 writes a second that wait for both replicas are confirmed by both, drafts and deletes too", async () => {
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
    const answer = await request("POST", `${gateway}/products`, newProduct(), prefer);
    return { answer, ms: performance.now() - sent };
  };
  const atRate = (writes: number) => {
    const start = performance.now();
    return Promise.all(Array.from({ length: writes }, (_, i) => write(start + i * EVERY_MS)));
  };
  // Processes that have just begun run code that is not compiled yet: the figures are those of a stack that has run for a while.
  await atRate(WARM_UP);
  const answers = await atRate(WRITES);
  for (const { answer } of answers) {
    expect(answer.status).toBe(201);
    expect(answer.headers.get("lockstep-replicas")).toMatch(/^catalog;ms=\d+, storefront;ms=\d+$/);
  }
  const { body } = answers[0]!.answer;
  // No waiting here: the replicas have said that they have it.
  expect((await request("GET", `${catalog}/products/${body.id}`)).status).toBe(200);
  const expected = body.status === "active" ? 200 : 404;
  expect((await request("GET", `${storefront}/products/${body.id}`)).status).toBe(expected);
  const deleted = await request("DELETE", `${gateway}/products/${body.id}`, undefined, prefer);
  expect([deleted.status, deleted.headers.get("lockstep-replicas")]).toEqual([
    204,
    expect.not.stringContaining("behind"),
  ]);
  expect((await request("GET", `${catalog}/products/${body.id}`)).status).toBe(404);

  const told = answers.flatMap(({ answer }) => (answer.headers.get("lockstep-replicas") ?? "").match(/\d+/g) ?? []);
  const applied = told.map(Number).sort((a, b) => a - b);
  console.log(`applied after p50 ${applied[WRITES]} ms, p99 ${applied[Math.floor(WRITES * 2 * 0.99)]} ms`);
  const sorted = answers.map(({ ms }) => ms).sort((a, b) => a - b);
  console.log(
    `answered after p50 ${sorted[WRITES / 2]!.toFixed(1)} ms, p99 ${sorted[Math.floor(WRITES * 0.99)]!.toFixed(1)} ms`,
  );
}, 60_000);
