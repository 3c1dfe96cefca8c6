/**
 * How long until a write can be read elsewhere: each write is followed at every replica until its PostgreSQL, and then its cache,
 * show that version. Creates, changes and deletes in equal parts at RATE writes per second (default 30) for SECONDS (default 30).
 * The run fails above P95_MS (default 100) or P99_MS (default 250).
 */
import type { Options } from "k6/options";
import { followEverywhere } from "./k6/replication-probe.ts";
import { report } from "./k6/report.ts";
import { steady } from "./k6/steady.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";
import { create, remove, update } from "./k6/writes.ts";

const WRITES_PER_ITERATION = 3;

export const options: Options = steady({
  name: "writes",
  rate: setting("RATE", 30),
  writesPerIteration: WRITES_PER_ITERATION,
  seconds: setting("SECONDS", 30),
  mostAtATime: 200,
  sync: [`p(95)<${setting("P95_MS", 100)}`, `p(99)<${setting("P99_MS", 250)}`],
});

export default async function writeAndFollow(): Promise<void> {
  const created = await create();
  if (!created) return;
  await followEverywhere(created);
  for (const next of [update, remove]) {
    const written = await next(created.id);
    if (written) await followEverywhere(written);
  }
}

export const handleSummary = (data: SummaryData) => report("sync-latency", data);
