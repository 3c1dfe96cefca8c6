/**
 * Measures how long it takes until a write can be read elsewhere: polls every replica until its PostgreSQL and its
 * cache show the version. Creates, changes and deletes in equal parts at RATE writes per second (default 30) for
 * SECONDS (default 30). Fails for a p95 above P95_MS (default 100) or a p99 above P99_MS (default 250).
 */
import type { Options } from "k6/options";
import { probeEverywhere } from "./k6/replication-probe.ts";
import { report } from "./k6/report.ts";
import { steadyLoad } from "./k6/steady.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";
import { create, remove, update } from "./k6/writes.ts";

const WRITES_PER_ITERATION = 3;

/** k6 options: a constant rate of writes. */
export const options: Options = steadyLoad({
  name: "writes",
  rate: setting("RATE", 30),
  writesPerIteration: WRITES_PER_ITERATION,
  seconds: setting("SECONDS", 30),
  maxIterations: 200,
  sync: [`p(95)<${setting("P95_MS", 100)}`, `p(99)<${setting("P99_MS", 250)}`],
});

/** One iteration: an entity is created, changed and deleted, and each write is measured. */
export default async function writeAndProbe(): Promise<void> {
  const created = await create();
  if (!created) return;
  await probeEverywhere(created);
  for (const change of [update, remove]) {
    const written = await change(created.id);
    if (written) await probeEverywhere(written);
  }
}

/** Prints the summary and writes the report. */
export const handleSummary = (data: SummaryData) => report("sync-latency", data);
