/**
 * The load of an application: entities are created, changed, deleted, read with and without a token, and listed. RATE
 * writes per second (default 100; with the reads 2.5 times as many requests) for SECONDS (default 60). Fails for one
 * failed request, a read that is older than its token, or a p95 sync latency above P95_MS (default 250).
 */
import type { Options } from "k6/options";
import { report } from "./k6/report.ts";
import { probedShare, runScenario, WRITES_PER_SCENARIO } from "./k6/scenario.ts";
import { steadyLoad } from "./k6/steady.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";

const rate = setting("RATE", 100);

/** k6 options: a constant rate of scenarios. */
export const options: Options = steadyLoad({
  name: "mix",
  rate,
  writesPerIteration: WRITES_PER_SCENARIO,
  seconds: setting("SECONDS", 60),
  maxIterations: 500,
  sync: [`p(95)<${setting("P95_MS", 250)}`],
});

export default (): Promise<void> => runScenario({ probedShare: probedShare(rate), withReads: true });

/** Prints the summary and writes the report. */
export const handleSummary = (data: SummaryData) => report("crud-mix", data);
