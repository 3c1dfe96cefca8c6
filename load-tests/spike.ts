/**
 * A calm while, PEAK times as many writes at once, and calm again: RATE writes per second (default 50), PEAK (default 10), SECONDS for each
 * of the three parts (default 15). Latency may rise in the spike; RECOVERY seconds after it (default 5) it must be below P95_MS (default 100)
 * again, and nothing may have been refused in the calm.
 */
import type { Options } from "k6/options";
import { syncThresholds } from "./k6/replication-probe.ts";
import { common, report } from "./k6/report.ts";
import { followedShare, live, WRITES_PER_LIFE } from "./k6/scenario.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";

const seconds = setting("SECONDS", 15);
const calm = setting("RATE", 50);
const peak = calm * setting("PEAK", 10);
const recovered = 2 * seconds + setting("RECOVERY", 5);

const part = (exec: string, rate: number, startsAt: number) => ({
  executor: "constant-arrival-rate" as const,
  exec,
  rate,
  timeUnit: `${WRITES_PER_LIFE}s`,
  startTime: `${startsAt}s`,
  duration: `${seconds}s`,
  preAllocatedVUs: 50,
  maxVUs: 500,
});

const soonEnough = [`p(95)<${setting("P95_MS", 100)}`];

export const options: Options = {
  ...common,
  scenarios: {
    before: part("quiet", calm, 0),
    spike: part("crowd", peak, seconds),
    after: part("quiet", calm, recovered),
  },
  thresholds: {
    "http_req_failed{scenario:before}": ["rate==0"],
    "http_req_failed{scenario:spike}": ["rate<0.01"],
    "http_req_failed{scenario:after}": ["rate==0"],
    ...syncThresholds(soonEnough, ",scenario:before"),
    ...syncThresholds([], ",scenario:spike"),
    ...syncThresholds(soonEnough, ",scenario:after"),
  },
};

export const quiet = (): Promise<void> => live({ followed: followedShare(calm), withReads: true });
export const crowd = (): Promise<void> => live({ followed: followedShare(peak), withReads: false });

export const handleSummary = (data: SummaryData) => report("spike", data);
