/**
 * The same load for a long time: RATE writes per second (default 300) for SECONDS (default 1200). Fails for a single failed request, or
 * above P99_MS (default 500). `bun run load soak` also tells how the memory of each process went, and compares source and replicas.
 */
import type { Options } from "k6/options";
import { followedShare, live, WRITES_PER_LIFE } from "./k6/lives.ts";
import { common, report } from "./k6/report.ts";
import { syncThresholds } from "./k6/sightings.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";

const rate = setting("RATE", 300);

export const options: Options = {
  ...common,
  scenarios: {
    soak: {
      executor: "constant-arrival-rate",
      rate,
      timeUnit: `${WRITES_PER_LIFE}s`,
      duration: `${setting("SECONDS", 1_200)}s`,
      preAllocatedVUs: 50,
      maxVUs: 500,
    },
  },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    dropped_iterations: ["count==0"],
    ...syncThresholds([`p(99)<${setting("P99_MS", 500)}`]),
  },
};

export default (): Promise<void> => live({ followed: followedShare(rate), withReads: false });

export const handleSummary = (data: SummaryData) => report("soak", data);
