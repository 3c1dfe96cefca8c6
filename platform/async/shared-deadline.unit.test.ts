import { expect, test } from "bun:test";
import { SharedDeadline } from "./shared-deadline.ts";

const late = () => new Error("late");
const outcome = (work: Promise<unknown>) =>
  work.then(
    (result) => result,
    (error: Error) => error.message,
  );

test("work that ends in time gives its own result or error", async () => {
  const deadline = new SharedDeadline(1_000);
  expect(await outcome(deadline.limit(Promise.resolve("done"), late))).toBe("done");
  expect(await outcome(deadline.limit(Promise.reject(new Error("failed")), late))).toBe("failed");
});

test("each work has the whole time, and what ends in time is not affected by what does not", async () => {
  const deadline = new SharedDeadline(50);
  const start = performance.now();
  const never = new Promise(() => {});
  const first = outcome(deadline.limit(never, late)).then(() => performance.now() - start);
  const done = outcome(
    deadline.limit(
      Bun.sleep(10).then(() => "done"),
      late,
    ),
  );
  await Bun.sleep(30);
  const second = outcome(deadline.limit(never, late)).then(() => performance.now() - start);
  expect(await done).toBe("done");
  expect(await first).toBeGreaterThanOrEqual(44);
  expect(await second).toBeGreaterThanOrEqual(74);
});

test("a limit that was ended never times out", async () => {
  const deadline = new SharedDeadline(20);
  let timeouts = 0;
  const end = deadline.start(() => timeouts++);
  deadline.start(() => timeouts++);
  end();
  await Bun.sleep(60);
  expect(timeouts).toBe(1);
});
