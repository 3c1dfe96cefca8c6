import { expect, test } from "bun:test";
import { request, untilVisible } from "../../harness/client.ts";
import { newProduct } from "../../harness/load.ts";
import { sharedStack } from "../../harness/shared-stack.ts";
import type { Stack } from "../../harness/stack.ts";
import { runUnderLoad } from "../../harness/under-load.ts";

/** How often each process and server is killed: 3 for the figures of the documentation. */
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

test(`P1 P3 P4 P7: kill -9 of every process and server in turn at 100 writes/s loses nothing and shows no reader the past`, async () => {
  const stack = await sharedStack();
  const recovered: Record<string, number[]> = {};
  const verdict = await runUnderLoad(stack, 100, async () => {
    await Bun.sleep(2_000);
    for (let round = 0; round < rounds; round++)
      for (const victim of victims) {
        const killed = await stack.kill(victim, "SIGKILL");
        await stack.untilReplaced(victim, killed);
        const start = performance.now();
        await flows(stack).catch((cause) => {
          throw new Error(`no write came through after the kill of ${victim}`, { cause });
        });
        const took = performance.now() - start;
        recovered[victim] = [...(recovered[victim] ?? []), Math.round(took)];
        await Bun.sleep(500 + Math.random() * 1_500);
      }
  });
  console.log(JSON.stringify({ ...verdict, violations: verdict.violations.length, recoveredMs: recovered }));
  expect(verdict.violations.slice(0, 20)).toEqual([]);
  expect(verdict.acks).toBeGreaterThan(500);
  for (const times of Object.values(recovered)) expect(Math.max(...times)).toBeLessThan(15_000);
}, 600_000);

/** Back to normal after the restart: a new write is acknowledged and seen in both replicas. */
async function flows(stack: Stack): Promise<void> {
  const [gateway, catalog, storefront] = await Promise.all(
    ["gateway", "catalog", "storefront"].map((n) => stack.url(n)),
  );
  const deadline = Date.now() + 30_000;
  for (;;)
    try {
      const created = await request("POST", `${gateway}/products`, newProduct({ status: "active" }));
      if (created.status !== 201) throw new Error(`the gateway answered ${created.status}`);
      await untilVisible(catalog!, created.body.id as string, 1, 30_000);
      await untilVisible(storefront!, created.body.id as string, 1, 30_000);
      return;
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await Bun.sleep(50);
    }
}
