import { expect, test } from "bun:test";
import { product } from "../contracts/entities/product.ts";
import { latencies, readReplica, readSource, type TimeWindow } from "../load-tests/bench/commits.ts";
import { connectStack } from "../load-tests/bench/connect-stack.ts";
import type { RestartResult } from "../stack/restart.ts";
import { underLoad } from "./harness/observe.ts";
import { Stack } from "./harness/stack.ts";

const perSecond = Number(process.env.TEST_RATE ?? 200);
/** Of stream and replicas. */
const instances = Number(process.env.TEST_INSTANCES ?? 2);
const QUIET_MS = 3_000;
/** Longest that a change may wait because of a restart; a group's rebalance takes a part of a second. */
const STALL_MS = 5_000;

test(`all services, ${instances} instances each, restarted one after the other at ${perSecond} writes/s: no request fails, no promise is broken`, async () => {
  await using stack = await Stack.start({
    instances: `gateway=2,relay=2,stream=${instances},catalog=${instances},storefront=${instances}`,
    brokers: process.env.TEST_BROKERS === "3" ? 3 : 1,
  });
  const from = Date.now();
  let restarted: RestartResult[] = [];
  const verdict = await underLoad(stack, perSecond, async () => {
    await Bun.sleep(QUIET_MS);
    restarted = await stack.restart();
    await Bun.sleep(1_000);
  });
  // What this machine makes of the same load without a restart.
  const before = await longestMs(stack, { fromMs: from + QUIET_MS / 3, toMs: from + QUIET_MS });
  const during = await longestMs(stack, { fromMs: from + QUIET_MS, toMs: Date.now() });
  const slowest = Math.max(...restarted.map(({ stopMs }) => stopMs));
  console.log(JSON.stringify({ ...verdict, violations: verdict.violations.length, before, during, restarted }));
  expect(verdict.violations.slice(0, 20)).toEqual([]);
  expect(verdict).toMatchObject({ failed: 0, problems: [] });
  expect(verdict.acks).toBeGreaterThan(500);
  // Of the console there is one.
  expect(restarted).toHaveLength(2 + 2 + 3 * instances + 1);
  expect(slowest).toBeLessThan(10_000);
  expect(during - before).toBeLessThan(STALL_MS);
}, 300_000);

/** From commit in the source to commit in a replica: the longest, in milliseconds, of what was committed within the window. */
async function longestMs(stack: Stack, window: TimeWindow): Promise<number> {
  await using subject = await connectStack(await stack.status());
  const source = await readSource(subject.source.sql, product, window.fromMs);
  const longest = await Promise.all(
    subject.replicas.map(
      async ({ sql }) => latencies(source, await readReplica(sql, product, window.fromMs), window).max,
    ),
  );
  return Math.round(Math.max(...longest));
}
