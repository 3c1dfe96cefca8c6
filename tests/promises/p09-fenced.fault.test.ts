import { expect, test } from "bun:test";
import { runLockstep } from "../harness/run-lockstep.ts";
import { Stack } from "../harness/stack.ts";
import { runUnderLoad } from "../harness/under-load.ts";

/** The shortest session timeout that brokers allow. */
const SESSION_MS = 6_000;
/** Longer than any session or lease, so another instance has taken over when the paused one resumes. */
const pausedMs = Number(process.env.TEST_PAUSED_MS ?? SESSION_MS + 3_000);

test("P9: a relay, stream and replica that resume after a takeover break no promise and no rebuild", async () => {
  await using stack = await Stack.start({
    instances: "relay=2,stream=2,catalog=2",
    env: { LOCKSTEP_SESSION_TIMEOUT_MS: String(SESSION_MS) },
  });
  const result = await runUnderLoad(stack, 100, async () => {
    await Bun.sleep(1_000);
    // One of the two instances leads or owns partitions. The test pauses both in turn, so it also pauses that one.
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
  console.log(JSON.stringify({ ...result, violations: result.violations.length }));
  expect(result.violations.slice(0, 20)).toEqual([]);
  // A rebuild compares its new tables with the source before it switches to them, so it would show a late write.
  const rebuilt = await runLockstep(stack, "rebuild", "catalog", "--json");
  expect([rebuilt.status, rebuilt.document?.equal]).toEqual([0, true]);
}, 600_000);
