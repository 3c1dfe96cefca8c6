/**
 * A constant load, a peak with PEAK times as many writes, and the constant load again. RATE writes per second (default
 * 50), PEAK (default 10), SECONDS for each of the three parts (default 15). Latency may rise during the peak. RECOVERY
 * seconds after it (default 5) the p95 sync latency must be below P95_MS (default 100) again. No request may fail
 * before or after the peak.
 */
import type { Options } from "k6/options";
import { syncThresholds } from "./k6/replication-probe.ts";
import { commonOptions, report } from "./k6/report.ts";
import { probedShare, runScenario, WRITES_PER_SCENARIO } from "./k6/scenario.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";

const seconds = setting("SECONDS", 15);
const baseRate = setting("RATE", 50);
const peakRate = baseRate * setting("PEAK", 10);
const recoveredAt = 2 * seconds + setting("RECOVERY", 5);

const phase = (exec: string, rate: number, startsAt: number) => ({
  executor: "constant-arrival-rate" as const,
  exec,
  rate,
  timeUnit: `${WRITES_PER_SCENARIO}s`,
  startTime: `${startsAt}s`,
  duration: `${seconds}s`,
  preAllocatedVUs: 50,
  maxVUs: 500,
});

const latencyLimit = [`p(95)<${setting("P95_MS", 100)}`];

/** k6 options: a scenario for each part. */
export const options: Options = {
  ...commonOptions,
  scenarios: {
    before: phase("baseWrites", baseRate, 0),
    spike: phase("peakWrites", peakRate, seconds),
    after: phase("baseWrites", baseRate, recoveredAt),
  },
  thresholds: {
    "http_req_failed{scenario:before}": ["rate==0"],
    "http_req_failed{scenario:spike}": ["rate<0.01"],
    "http_req_failed{scenario:after}": ["rate==0"],
    ...syncThresholds(latencyLimit, ",scenario:before"),
    ...syncThresholds([], ",scenario:spike"),
    ...syncThresholds(latencyLimit, ",scenario:after"),
  },
};

/** One scenario before or after the peak. */
export const baseWrites = (): Promise<void> => runScenario({ probedShare: probedShare(baseRate), withReads: true });
/** One scenario during the peak. */
export const peakWrites = (): Promise<void> => runScenario({ probedShare: probedShare(peakRate), withReads: false });

/** Prints the summary and writes the report. */
export const handleSummary = (data: SummaryData) => report("spike", data);
