/** From the steps of a breakpoint run to the rate that was sustained. Pure. */

export interface Step {
  /** Writes per second that were to be sent. */
  readonly rate: number;
  /** Writes per second that were carried out. */
  readonly writesPerSecond: number;
  /** Of the slowest replica and store. */
  readonly p99Ms: number;
  readonly failedShare: number;
  /** Lives that k6 could not begin, since all its virtual users were waiting for answers. */
  readonly dropped: number;
}

const MOST_FAILED = 0.001;
const LEAST_SENT = 0.99;

/** Why a step does not count as sustained; undefined when it does. */
export function problemOf(step: Step, p99Ms: number): string | undefined {
  if (step.failedShare > MOST_FAILED) return `${(step.failedShare * 100).toFixed(2)} % of the requests failed`;
  if (step.writesPerSecond < step.rate * LEAST_SENT)
    return `only ${step.writesPerSecond.toFixed(0)} writes/s came through`;
  return step.p99Ms >= p99Ms ? `p99 sync latency ${step.p99Ms.toFixed(0)} ms` : undefined;
}

/** The last step before the first that was not sustained. @returns lines for people, and the same as data. */
export function sustained(steps: readonly Step[], p99Ms: number) {
  const begun = steps.filter(
    ({ writesPerSecond, dropped, failedShare }) => writesPerSecond > 0 || dropped > 0 || failedShare > 0,
  );
  const first = begun.findIndex((step) => problemOf(step, p99Ms) !== undefined);
  const good = first < 0 ? begun : begun.slice(0, first);
  const bad = begun[first];
  const rate = good.at(-1)?.rate ?? 0;
  return {
    result: { sustainedWritesPerSecond: rate, brokeAt: bad?.rate ?? null, steps: begun },
    lines: [
      ...begun.map(
        (step) =>
          `  ${step.rate} writes/s: ${problemOf(step, p99Ms) ?? `sustained, p99 sync latency ${step.p99Ms.toFixed(0)} ms`}`,
      ),
      `sustainable: ${rate} writes/s${bad ? "" : " at least: no step broke it"}`,
    ],
  };
}
