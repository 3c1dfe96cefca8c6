/** The same load all along, of which nothing may fail. */
import type { Options } from "k6/options";
import { syncThresholds } from "./replication-probe.ts";
import { common } from "./report.ts";

export interface Steady {
  /** Of the scenario in k6's output. */
  readonly name: string;
  /** Writes per second. */
  readonly rate: number;
  readonly writesPerIteration: number;
  readonly seconds: number;
  /** Most iterations at a time; what would begin beyond that is dropped, and fails the run. */
  readonly mostAtATime: number;
  /** What the end-to-end latency must keep: {@link syncThresholds}. */
  readonly sync: readonly string[];
}

/** Fails for a single failed check, request or dropped iteration, and beyond the bounds of `sync`. */
export const steady = ({ name, rate, writesPerIteration, seconds, mostAtATime, sync }: Steady): Options => ({
  ...common,
  scenarios: {
    [name]: {
      executor: "constant-arrival-rate",
      rate,
      timeUnit: `${writesPerIteration}s`,
      duration: `${seconds}s`,
      preAllocatedVUs: 50,
      maxVUs: mostAtATime,
    },
  },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    dropped_iterations: ["count==0"],
    ...syncThresholds([...sync]),
  },
});
