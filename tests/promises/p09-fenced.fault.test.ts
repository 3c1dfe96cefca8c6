import { expect, test } from "bun:test";
import { runLockstep } from "../harness/run-lockstep.ts";
import { Stack } from "../harness/stack.ts";
import { runUnderLoad } from "../harness/under-load.ts";

/** The shortest that brokers allow. */
const SESSION_MS = 6_000;
/** Longer than any session or lease: the paused instance has been replaced when it wakes up. */
const pausedMs = Number(process.env.TEST_PAUSED_MS ?? SESSION_MS + 3_000);

test("P9: a relay, a stream and a replica that were stopped and resumed while a second instance took over do no harm, also not to a rebuild", async () => {
  await using stack = await Stack.start({
    instances: "relay=2,stream=2,catalog=2",
    env: { LOCKSTEP_SESSION_TIMEOUT_MS: String(SESSION_MS) },
  });
  const verdict = await runUnderLoad(stack, 100, async () => {
    await Bun.sleep(1_000);
    // One of the two instances leads, or owns partitions, for sure: so each has its turn.
    for (const instance of [1, 2]) {
      const paused = await Promise.all(
        ["relay", "stream", "catalog"].map(async (name) => (await stack.entry(name, instance)).pid),
      );
      for (const pid of paused) process.kill(pid, "SIGSTOP");
      await Bun.sleep(pausedMs);
      for (const pid of paused) process.kill(pid, "SIGCONT");
      await Bun.sleep(2_000);
    }
  });
  console.log(JSON.stringify({ ...verdict, violations: verdict.violations.length }));
  expect(verdict.violations.slice(0, 20)).toEqual([]);
  // What it may have written late is not what a rebuild reads: the new tables are compared with the source before they are switched.
  const rebuilt = await runLockstep(stack, "rebuild", "catalog", "--json");
  expect([rebuilt.status, rebuilt.document?.equal]).toEqual([0, true]);
}, 600_000);
