/** k6 options of a constant load in which no request may fail. */
import type { Options } from "k6/options";
import { syncThresholds } from "./replication-probe.ts";
import { commonOptions } from "./report.ts";

/** What differs between the constant loads. */
export interface SteadyOptions {
  /** Name of the scenario in k6's output. */
  readonly name: string;
  /** Writes per second. */
  readonly rate: number;
  readonly writesPerIteration: number;
  readonly seconds: number;
  /** Limit of concurrent iterations. Further ones are dropped, which fails the run. */
  readonly maxIterations: number;
  /** Conditions for the latency: {@link syncThresholds}. */
  readonly sync: readonly string[];
}

/** The run fails for a failed check, failed request, dropped iteration or condition of `sync`. */
export const steadyLoad = ({
  name,
  rate,
  writesPerIteration,
  seconds,
  maxIterations,
  sync,
}: SteadyOptions): Options => ({
  ...commonOptions,
  scenarios: {
    [name]: {
      executor: "constant-arrival-rate",
      rate,
      timeUnit: `${writesPerIteration}s`,
      duration: `${seconds}s`,
      preAllocatedVUs: 50,
      maxVUs: maxIterations,
    },
  },
  thresholds: {
    checks: ["rate==1"],
    http_req_failed: ["rate==0"],
    dropped_iterations: ["count==0"],
    ...syncThresholds([...sync]),
  },
});
