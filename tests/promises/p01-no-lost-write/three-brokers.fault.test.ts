import { expect, test } from "bun:test";
import { Stack } from "../../harness/stack.ts";
import { runUnderLoad } from "../../harness/under-load.ts";

/** Seconds of kills: 180 for the figures of the documentation. */
const seconds = Number(process.env.TEST_SECONDS ?? 27);
const pauseMs = Number(process.env.TEST_PAUSE_MS ?? 9_000);

test(`P1 P2: with three brokers killed in turn under load, nothing is lost or doubled in any topic or replica`, async () => {
  await using stack = await Stack.start({ brokers: 3, partitions: 12 });
  const verdict = await runUnderLoad(
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
  console.log(JSON.stringify({ ...verdict, violations: verdict.violations.length }));
  expect(verdict.violations.slice(0, 20)).toEqual([]);
  expect(verdict.acks).toBeGreaterThan(seconds * 50);
}, 900_000);
