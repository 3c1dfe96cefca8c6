/**
 * Checks that a write appears in each replica and its cache, and that a delete removes it. Small enough for any stack
 * at any time; it removes what it created. ITERATIONS (default 20), P95_MS (default 1000).
 */
import type { Options } from "k6/options";
import { probeEverywhere, syncThresholds } from "./k6/replication-probe.ts";
import { commonOptions, report } from "./k6/report.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";
import { create, remove } from "./k6/writes.ts";

const iterations = setting("ITERATIONS", 20);

/** k6 options: a fixed number of iterations. */
export const options: Options = {
  ...commonOptions,
  scenarios: { smoke: { executor: "shared-iterations", vus: Math.min(2, iterations), iterations, maxDuration: "2m" } },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    ...syncThresholds([`p(95)<${setting("P95_MS", 1_000)}`]),
  },
};

/** One iteration: an entity is created and deleted. */
export default async function smoke(): Promise<void> {
  const created = await create();
  if (!created) return;
  await probeEverywhere(created);
  const removed = await remove(created.id);
  if (removed) await probeEverywhere(removed);
}

/** Prints the summary and writes the report. */
export const handleSummary = (data: SummaryData) => report("smoke", data);
