/** Alerts on correctness that no condition shows afterwards. */
import { metrics } from "../../../contracts/metrics.ts";
import { type Alert, duration } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";

/** Input gaps. */
export const correctnessAlerts = (t: Thresholds): readonly Alert[] => [
  {
    name: "InputGap",
    expr: newGaps(t.inputGap),
    forSeconds: 0,
    severity: "page",
    summary: "The log had deleted records that {{ $labels.group }} had not read yet",
    section: "input-gap",
  },
];

/**
 * A counter with labels has no series before its first increment, so `increase` misses it. A new series counts
 * completely.
 */
function newGaps({ windowSeconds }: Thresholds["inputGap"]): string {
  const gaps = metrics.inputGaps.name;
  const window = duration(windowSeconds);
  return `sum by (group) (${gaps} unless ${gaps} offset ${window} or increase(${gaps}[${window}])) > 0`;
}
