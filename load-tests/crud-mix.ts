/**
 * What an application does all day: products created, changed, deleted, read with and without a token, and listed. RATE writes per
 * second (default 100; with the reads 2.5 times as many requests) for SECONDS (default 60). Fails for a single failed request, a read
 * that is older than its token, or above P95_MS (default 250).
 */
import type { Options } from "k6/options";
import { report } from "./k6/report.ts";
import { followedShare, live, WRITES_PER_LIFE } from "./k6/scenario.ts";
import { steady } from "./k6/steady.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";

const rate = setting("RATE", 100);

export const options: Options = steady({
  name: "mix",
  rate,
  writesPerIteration: WRITES_PER_LIFE,
  seconds: setting("SECONDS", 60),
  mostAtATime: 500,
  sync: [`p(95)<${setting("P95_MS", 250)}`],
});

export default (): Promise<void> => live({ followed: followedShare(rate), withReads: true });

export const handleSummary = (data: SummaryData) => report("crud-mix", data);
