import { expect, test } from "bun:test";
import { request, untilVisible } from "../../harness/client.ts";
import { newProduct } from "../../harness/load.ts";
import { sharedStack } from "../../harness/shared-stack.ts";
import type { Stack } from "../../harness/stack.ts";
import { runUnderLoad } from "../../harness/under-load.ts";

/**
 * Longest time from "the killed process is ready" to "a new write is in both replicas". On a quiet machine it is 0.1 to
 * 2 s; a broker that shares two cores with three others took 12 s to load its coordinators.
 */
const RECOVERY_MS = 30_000;
/** Kills of each process and server. The figures in the documentation use 3. */
const rounds = Number(process.env.TEST_ROUNDS ?? 1);

const victims = [
  "gateway",
  "relay",
  "stream",
  "catalog",
  "storefront",
  "broker",
  "gateway-db",
  "catalog-db",
  "storefront-db",
  "redis",
];

test("P1 P3 P4 P7: kill -9 of each process at 100 writes/s loses no write and causes no stale read", async () => {
  const stack = await sharedStack();
  const recovered: Record<string, number[]> = {};
  const result = await runUnderLoad(stack, 100, async () => {
    await Bun.sleep(2_000);
    for (let round = 0; round < rounds; round++)
      for (const victim of victims) {
        const killed = await stack.kill(victim, "SIGKILL");
        await stack.untilReplaced(victim, killed);
        const start = performance.now();
        await waitForWrite(stack).catch((cause) => {
          throw new Error(`no write reached the replicas after the kill of ${victim}`, { cause });
        });
        const elapsedMs = performance.now() - start;
        recovered[victim] = [...(recovered[victim] ?? []), Math.round(elapsedMs)];
        await Bun.sleep(500 + Math.random() * 1_500);
      }
  });
  console.log(JSON.stringify({ ...result, violations: result.violations.length, recoveredMs: recovered }));
  expect(result.violations.slice(0, 20)).toEqual([]);
  expect(result.acks).toBeGreaterThan(500);
  const slow = Object.entries(recovered).filter(([, times]) => Math.max(...times) >= RECOVERY_MS);
  expect(slow).toEqual([]);
}, 600_000);

/** Waits until a new write is acknowledged and visible in both replicas. */
async function waitForWrite(stack: Stack): Promise<void> {
  const [gateway, catalog, storefront] = await Promise.all(
    ["gateway", "catalog", "storefront"].map((n) => stack.url(n)),
  );
  const deadline = Date.now() + RECOVERY_MS;
  for (;;)
    try {
      const created = await request("POST", `${gateway}/products`, newProduct({ status: "active" }));
      if (created.status !== 201) throw new Error(`the gateway returned ${created.status}`);
      await untilVisible(catalog!, created.body.id as string, 1, RECOVERY_MS);
      await untilVisible(storefront!, created.body.id as string, 1, RECOVERY_MS);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await Bun.sleep(50);
    }
}
