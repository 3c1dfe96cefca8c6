import { expect, test } from "bun:test";
import { latencies, readReplica, readSource, type TimeWindow } from "../load-tests/bench/commits.ts";
import { connectStack } from "../load-tests/bench/connect-stack.ts";
import type { RestartResult } from "../stack/restart.ts";
import { Stack } from "./harness/stack.ts";
import { runUnderLoad } from "./harness/under-load.ts";
import { product, project } from "./project/index.ts";

const perSecond = Number(process.env.TEST_RATE ?? 200);
/** Instances of the stream and of each replica. */
const instances = Number(process.env.TEST_INSTANCES ?? 2);
const QUIET_MS = 3_000;
/** Maximum delay of a change because of a restart. A rebalance of a group takes a fraction of a second. */
const STALL_MS = 5_000;

test(`a rolling restart of ${instances} instances each at ${perSecond} writes/s breaks no request or promise`, async () => {
  await using stack = await Stack.start({
    instances: `gateway=2,relay=2,stream=${instances},catalog=${instances},storefront=${instances}`,
    brokers: process.env.TEST_BROKERS === "3" ? 3 : 1,
  });
  const from = Date.now();
  let restarts: RestartResult[] = [];
  const result = await runUnderLoad(stack, perSecond, async () => {
    await Bun.sleep(QUIET_MS);
    restarts = await stack.restart();
    await Bun.sleep(1_000);
  });
  // The baseline: the longest delay on this machine under the same load without a restart.
  const before = await longestMs(stack, { fromMs: from + QUIET_MS / 3, toMs: from + QUIET_MS });
  const during = await longestMs(stack, { fromMs: from + QUIET_MS, toMs: Date.now() });
  const slowest = Math.max(...restarts.map(({ stopMs }) => stopMs));
  console.log(JSON.stringify({ ...result, violations: result.violations.length, before, during, restarts }));
  expect(result.violations.slice(0, 20)).toEqual([]);
  expect(result).toMatchObject({ failed: 0, problems: [] });
  expect(result.acks).toBeGreaterThan(500);
  // The stack has one console.
  expect(restarts).toHaveLength(2 + 2 + 3 * instances + 1);
  expect(slowest).toBeLessThan(10_000);
  expect(during - before).toBeLessThan(STALL_MS);
}, 300_000);

/**
 * The longest time from commit in the source to commit in a replica, in milliseconds, over the commits of the window.
 */
async function longestMs(stack: Stack, window: TimeWindow): Promise<number> {
  await using subject = await connectStack(await stack.status(), project);
  const source = await readSource(subject.source.sql, product, window.fromMs);
  const longest = await Promise.all(
    subject.replicas.map(
      async ({ sql }) => latencies(source, await readReplica(sql, product, window.fromMs), window).max,
    ),
  );
  return Math.round(Math.max(...longest));
}
