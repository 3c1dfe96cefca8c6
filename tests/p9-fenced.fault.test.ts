import { expect, test } from "bun:test";
import { underLoad } from "./harness/observe.ts";
import { Stack } from "./harness/stack.ts";

/** Longer than any session or lease: the paused instance has been replaced when it wakes up. */
const pausedMs = Number(process.env.TEST_PAUSED_MS ?? 14_000);

test("P9: a relay, a stream and a replica that were stopped and resumed while a second instance took over do no harm", async () => {
  await using stack = await Stack.start({ instances: "relay=2,stream=2,catalog=2" });
  const verdict = await underLoad(stack, 100, async () => {
    await Bun.sleep(2_000);
    for (const name of ["relay", "stream", "catalog"]) {
      const pids = await Promise.all([1, 2].map(async (instance) => (await stack.entry(name, instance)).pid));
      // Each in turn: one of the two leads or owns partitions for sure.
      for (const pid of pids) {
        process.kill(pid, "SIGSTOP");
        await Bun.sleep(pausedMs);
        process.kill(pid, "SIGCONT");
        await Bun.sleep(3_000);
      }
    }
  });
  console.log(JSON.stringify({ ...verdict, violations: verdict.violations.length }));
  expect(verdict.violations.slice(0, 20)).toEqual([]);
}, 600_000);
