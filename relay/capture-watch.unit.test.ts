import { expect, spyOn, test } from "bun:test";
import { createLogger } from "../observability/logger.ts";
import type { Sql } from "../platform/postgres/connect.ts";
import { project } from "../tests/project/index.ts";
import { CaptureWatch } from "./capture-watch.ts";

const newWatch = () => new CaptureWatch({ logger: createLogger("test", "1", "silent"), project });
/** A database whose statements have this answer. */
const answering = (answer: () => Promise<unknown>) => Object.assign(answer, { unsafe: answer }) as unknown as Sql;

test("a relay on standby reports nothing about capture", () => {
  expect(newWatch().check.problem()).toBeUndefined();
});

test("a check that fails is a problem, until one succeeds", async () => {
  const watch = newWatch();
  await watch.refresh(answering(() => Promise.reject(new Error("permission denied"))));
  expect(watch.check.problem()).toBe("capture could not be checked: permission denied");
  await watch.refresh(answering(async () => []));
  expect(watch.check.problem()).toBeUndefined();
});

test("a check that has no answer for 30 s is a problem, and no second one starts meanwhile", () => {
  const watch = newWatch();
  let statements = 0;
  const silent = answering(() => {
    statements++;
    return new Promise(() => {});
  });
  const now = Math.round(performance.now()); // Sums of whole numbers are exact.
  using clock = spyOn(performance, "now").mockReturnValue(now);
  void watch.refresh(silent);
  void watch.refresh(silent);
  expect(statements).toBe(1);
  clock.mockReturnValue(now + 30_000);
  expect(watch.check.problem()).toBeUndefined();
  clock.mockReturnValue(now + 31_000);
  expect(watch.check.problem()).toBe("capture was last checked 31 s ago");
});
