/**
 * Finds the rate of writes that a stack sustains: FROM (default 200), then STEP more (default 200) every SECONDS (default 10), until TO
 * (default 3000) or until it breaks. A step is sustained when its p99 sync latency stays below P99_MS (default 500), at most one request
 * in a thousand is refused, and k6 could send nearly all of it (99 %) on time. Writes only, a sample of them followed to every replica.
 */

import exec from "k6/execution";
import type { Options, Threshold } from "k6/options";
import { STORES, syncThresholds } from "./k6/replication-probe.ts";
import { common, report } from "./k6/report.ts";
import { followedShare, live, WRITES_PER_LIFE } from "./k6/scenario.ts";
import { type Step, sustained } from "./k6/steps.ts";
import type { SummaryData } from "./k6/summary.ts";
import { replicas, setting } from "./k6/target.ts";

const seconds = setting("SECONDS", 10);
const from = setting("FROM", 200);
const by = setting("STEP", 200);
const p99Ms = setting("P99_MS", 500);
const rates = Array.from({ length: Math.floor((setting("TO", 3_000) - from) / by) + 1 }, (_, i) => from + i * by);

const nameOf = (rate: number): string => `rate_${rate}`;

/** Above these a step is broken beyond doubt, also when it has only begun: going on would only pile up work. */
const broken = (condition: string): Threshold[] => [{ threshold: condition, abortOnFail: true }];

export const options: Options = {
  ...common,
  scenarios: Object.fromEntries(
    rates.map((rate, i) => [
      nameOf(rate),
      {
        executor: "constant-arrival-rate",
        rate,
        timeUnit: `${WRITES_PER_LIFE}s`,
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
      [`http_req_failed{scenario:${nameOf(rate)}}`]: broken("rate<0.2"),
      [`dropped_iterations{scenario:${nameOf(rate)}}`]: broken(`count<${(rate * seconds) / WRITES_PER_LIFE / 2}`),
      [`iterations{scenario:${nameOf(rate)}}`]: [],
      ...syncThresholds(broken(`avg<${2 * p99Ms}`), `,scenario:${nameOf(rate)}`),
    })),
  ),
};

export default (): Promise<void> => {
  const rate = Number(exec.scenario.name.slice(nameOf(0).length - 1));
  return live({ followed: followedShare(rate), withReads: false });
};

const stepsOf = ({ metrics }: SummaryData): Step[] =>
  rates.map((rate) => {
    const of = (metric: string, value: string, tags = "") =>
      metrics[`${metric}{${tags}scenario:${nameOf(rate)}}`]?.values[value];
    const p99s = replicas.flatMap(({ name }) =>
      STORES.map((store) => of("sync_latency", "p(99)", `replica:${name},store:${store},`) ?? 0),
    );
    return {
      rate,
      writesPerSecond: ((of("iterations", "count") ?? 0) * WRITES_PER_LIFE) / seconds,
      p99Ms: Math.max(...p99s),
      failedShare: of("http_req_failed", "rate") ?? 0,
      dropped: of("dropped_iterations", "count") ?? 0,
    };
  });

export const handleSummary = (data: SummaryData) => report("breakpoint", data, sustained(stepsOf(data), p99Ms));
