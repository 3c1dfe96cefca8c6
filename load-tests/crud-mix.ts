/**
 * What an application does all day: products created, changed, deleted, read with and without a token, and listed. RATE writes per
 * second (default 100; with the reads 2.5 times as many requests) for SECONDS (default 60). Fails for a single failed request, a read
 * that is older than its token, or above P95_MS (default 250).
 */
import type { Options } from "k6/options";
import { followedShare, live, WRITES_PER_LIFE } from "./k6/lives.ts";
import { common, report } from "./k6/report.ts";
import { syncThresholds } from "./k6/sightings.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";

const rate = setting("RATE", 100);

export const options: Options = {
  ...common,
  scenarios: {
    mix: {
      executor: "constant-arrival-rate",
      rate,
      timeUnit: `${WRITES_PER_LIFE}s`,
      duration: `${setting("SECONDS", 60)}s`,
      preAllocatedVUs: 50,
      maxVUs: 500,
    },
  },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    dropped_iterations: ["count==0"],
    ...syncThresholds([`p(95)<${setting("P95_MS", 250)}`]),
  },
};

export default (): Promise<void> => live({ followed: followedShare(rate), withReads: true });

export const handleSummary = (data: SummaryData) => report("crud-mix", data);
