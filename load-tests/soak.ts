/**
 * The same load for a long time: RATE writes per second (default 300) for SECONDS (default 1200). Fails for a single failed request, or
 * above P99_MS (default 500). `bun run load soak` also tells how the memory of each process went, and compares source and replicas.
 */
import type { Options } from "k6/options";
import { report } from "./k6/report.ts";
import { followedShare, live, WRITES_PER_LIFE } from "./k6/scenario.ts";
import { steady } from "./k6/steady.ts";
import type { SummaryData } from "./k6/summary.ts";
import { setting } from "./k6/target.ts";

const rate = setting("RATE", 300);

export const options: Options = steady({
  name: "soak",
  rate,
  writesPerIteration: WRITES_PER_LIFE,
  seconds: setting("SECONDS", 1_200),
  mostAtATime: 500,
  sync: [`p(99)<${setting("P99_MS", 500)}`],
});

export default (): Promise<void> => live({ followed: followedShare(rate), withReads: false });

export const handleSummary = (data: SummaryData) => report("soak", data);
