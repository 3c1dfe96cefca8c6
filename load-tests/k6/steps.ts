/** Finds the sustained rate of a breakpoint run. Pure. */

/** Figures of one step. */
export interface Step {
  /** Planned writes per second. */
  readonly rate: number;
  /** Writes per second that completed. */
  readonly writesPerSecond: number;
  /** Sync latency of the slowest replica and store. */
  readonly p99Ms: number;
  /** From 0 to 1. */
  readonly failedShare: number;
  /** Iterations that k6 could not start, because all its virtual users waited for responses. */
  readonly dropped: number;
}

const MAX_FAILED_SHARE = 0.001;
const MIN_SENT_SHARE = 0.99;

/** Why a step was not sustained; undefined when it was. @param p99Ms limit of the sync latency. */
function problemOf(step: Step, p99Ms: number): string | undefined {
  if (step.failedShare > MAX_FAILED_SHARE) return `${(step.failedShare * 100).toFixed(2)} % of the requests failed`;
  if (step.writesPerSecond < step.rate * MIN_SENT_SHARE)
    return `only ${step.writesPerSecond.toFixed(0)} writes/s completed`;
  return step.p99Ms >= p99Ms ? `p99 sync latency ${step.p99Ms.toFixed(0)} ms` : undefined;
}

/** Finds the last step before the first broken one. @returns `lines` for the summary, `result` for the report. */
export function findSustainedRate(steps: readonly Step[], p99Ms: number) {
  const started = steps.filter(
    ({ writesPerSecond, dropped, failedShare }) => writesPerSecond > 0 || dropped > 0 || failedShare > 0,
  );
  const firstBroken = started.findIndex((step) => problemOf(step, p99Ms) !== undefined);
  const sustained = firstBroken < 0 ? started : started.slice(0, firstBroken);
  const broken = started[firstBroken];
  const rate = sustained.at(-1)?.rate ?? 0;
  return {
    result: { sustainedWritesPerSecond: rate, brokeAt: broken?.rate ?? null, steps: started },
    lines: [
      ...started.map(
        (step) =>
          `  ${step.rate} writes/s: ${problemOf(step, p99Ms) ?? `sustained, p99 sync latency ${step.p99Ms.toFixed(0)} ms`}`,
      ),
      `sustainable: ${rate} writes/s${broken ? "" : " at least: no step broke it"}`,
    ],
  };
}
