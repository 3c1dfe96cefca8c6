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

test("a full check is made when the catalog has changed, and once per minute", async () => {
  const watch = newWatch();
  let state = "1";
  let problems: object[] = [];
  let fullChecks = 0;
  const fullCheck = async () => {
    fullChecks++;
    return problems;
  };
  const database = Object.assign(fullCheck, { unsafe: async () => [{ state }] }) as unknown as Sql;
  const now = performance.now();
  using clock = spyOn(performance, "now").mockReturnValue(now);
  const checkAt = async (ms: number) => {
    clock.mockReturnValue(now + ms);
    await watch.refresh(database);
    return [fullChecks, watch.check.problem()];
  };
  expect(await checkAt(0)).toEqual([1, undefined]);
  expect(await checkAt(4_000)).toEqual([1, undefined]);
  expect(await checkAt(56_000)).toEqual([1, undefined]);
  expect(await checkAt(60_000)).toEqual([2, undefined]);
  state = "2";
  problems = [{ relation: "products", problem: "lacks the triggers", remedy: "run lockstep capture" }];
  expect(await checkAt(64_000)).toEqual([3, "products lacks the triggers: run lockstep capture"]);
  expect(await checkAt(68_000)).toEqual([3, "products lacks the triggers: run lockstep capture"]);
});
