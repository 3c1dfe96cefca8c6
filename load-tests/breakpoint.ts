/**
 * Finds the rate of writes that a stack sustains. Starts at FROM writes per second (default 200) and adds STEP (default
 * 200) every SECONDS (default 10), up to TO (default 3000) or until the stack cannot keep up. A step is sustained when
 * its p99 sync latency is below P99_MS (default 500), at most one request in a thousand fails, and k6 sent 99 % of its
 * writes on time. Only writes; a sample of them is measured at every replica.
 */

import exec from "k6/execution";
import type { Options, Threshold } from "k6/options";
import { STORES, syncThresholds } from "./k6/replication-probe.ts";
import { commonOptions, report } from "./k6/report.ts";
import { probedShare, runScenario, WRITES_PER_SCENARIO } from "./k6/scenario.ts";
import { findSustainedRate, type Step } from "./k6/steps.ts";
import type { SummaryData } from "./k6/summary.ts";
import { replicas, setting } from "./k6/target.ts";

const seconds = setting("SECONDS", 10);
const from = setting("FROM", 200);
const stepSize = setting("STEP", 200);
const p99Ms = setting("P99_MS", 500);
const rates = Array.from(
  { length: Math.floor((setting("TO", 3_000) - from) / stepSize) + 1 },
  (_, i) => from + i * stepSize,
);

const scenarioName = (rate: number): string => `rate_${rate}`;

/** Conditions whose violation ends the run at once: a step far beyond its limits would only pile up work. */
const abortUnless = (condition: string): Threshold[] => [{ threshold: condition, abortOnFail: true }];

/** k6 options: one scenario per step. */
export const options: Options = {
  ...commonOptions,
  scenarios: Object.fromEntries(
    rates.map((rate, i) => [
      scenarioName(rate),
      {
        executor: "constant-arrival-rate",
        rate,
        timeUnit: `${WRITES_PER_SCENARIO}s`,
        startTime: `${i * seconds}s`,
        duration: `${seconds}s`,
        gracefulStop: "10s",
        preAllocatedVUs: 150,
        maxVUs: 400,
      },
    ]),
  ),
  thresholds: Object.assign(
    {},
    ...rates.map((rate) => ({
      [`http_req_failed{scenario:${scenarioName(rate)}}`]: abortUnless("rate<0.2"),
      [`dropped_iterations{scenario:${scenarioName(rate)}}`]: abortUnless(
        `count<${(rate * seconds) / WRITES_PER_SCENARIO / 2}`,
      ),
      [`iterations{scenario:${scenarioName(rate)}}`]: [],
      ...syncThresholds(abortUnless(`avg<${2 * p99Ms}`), `,scenario:${scenarioName(rate)}`),
    })),
  ),
};

export default (): Promise<void> => {
  const rate = Number(exec.scenario.name.slice(scenarioName(0).length - 1));
  return runScenario({ probedShare: probedShare(rate), withReads: false });
};

const stepsOf = ({ metrics }: SummaryData): Step[] =>
  rates.map((rate) => {
    const statistic = (metric: string, value: string, tags = "") =>
      metrics[`${metric}{${tags}scenario:${scenarioName(rate)}}`]?.values[value];
    const p99s = replicas.flatMap(({ name }) =>
      STORES.map((store) => statistic("sync_latency", "p(99)", `replica:${name},store:${store},`) ?? 0),
    );
    return {
      rate,
      writesPerSecond: ((statistic("iterations", "count") ?? 0) * WRITES_PER_SCENARIO) / seconds,
      p99Ms: Math.max(...p99s),
      failedShare: statistic("http_req_failed", "rate") ?? 0,
      dropped: statistic("dropped_iterations", "count") ?? 0,
    };
  });

/** Prints the sustained rate and writes the report. */
export const handleSummary = (data: SummaryData) => report("breakpoint", data, findSustainedRate(stepsOf(data), p99Ms));
