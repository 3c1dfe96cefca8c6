import { expect, test } from "bun:test";
import { Stack } from "../../harness/stack.ts";
import { runUnderLoad } from "../../harness/under-load.ts";

/** Duration of the kills. The figures in the documentation use 180. */
const seconds = Number(process.env.TEST_SECONDS ?? 27);
const pauseMs = Number(process.env.TEST_PAUSE_MS ?? 9_000);

test("P1 P2: killing three brokers in turn under load loses and duplicates nothing anywhere", async () => {
  await using stack = await Stack.start({ brokers: 3, partitions: 12 });
  const result = await runUnderLoad(
    stack,
    Number(process.env.TEST_RATE ?? 300),
    async () => {
      const until = Date.now() + seconds * 1_000;
      for (let broker = 1; Date.now() < until; broker = (broker % 3) + 1) {
        await Bun.sleep(pauseMs / 3);
        await stack.kill("broker", "SIGKILL", broker);
        await Bun.sleep((2 * pauseMs) / 3);
        await stack.untilReady(30_000);
      }
    },
    90_000,
  );
  console.log(JSON.stringify({ ...result, violations: result.violations.length }));
  expect(result.violations.slice(0, 20)).toEqual([]);
  expect(result.acks).toBeGreaterThan(seconds * 50);
}, 900_000);
