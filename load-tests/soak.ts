/**
 * A constant load for a long time: RATE writes per second (default 300) for SECONDS (default 1200). Fails for one
 * failed request, or a p99 sync latency above P99_MS (default 500). `bun run load soak` also checks the memory of each
 * process, and compares source and replicas.
 */
import type { Options } from "k6/options";
import { report } from "./k6/report.ts";
import { probedShare, runScenario, WRITES_PER_SCENARIO } from "./k6/scenario.ts";
import { steadyLoad } from "./k6/steady.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";

const rate = setting("RATE", 300);

/** k6 options: a constant rate of scenarios. */
export const options: Options = steadyLoad({
  name: "soak",
  rate,
  writesPerIteration: WRITES_PER_SCENARIO,
  seconds: setting("SECONDS", 1_200),
  maxIterations: 500,
  sync: [`p(99)<${setting("P99_MS", 500)}`],
});

export default (): Promise<void> => runScenario({ probedShare: probedShare(rate), withReads: false });

/** Prints the summary and writes the report. */
export const handleSummary = (data: SummaryData) => report("soak", data);
