/** Alerts on correctness: does a replica show what the source has? */
import { metrics } from "../../../contracts/metrics.ts";
import { type Alert, duration } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";

/** Dead letters, divergence, verification, and input gaps. */
export const correctnessAlerts = (t: Thresholds): readonly Alert[] => [
  {
    name: "DeadLettersOpen",
    expr: `sum(${metrics.deadLetters.name}) > 0`,
    forSeconds: t.deadLetters.forSeconds,
    severity: "ticket",
    summary: "{{ $value }} events could not be processed, and no newer event has superseded them",
    section: "dead-letters",
  },
  {
    name: "ReplicaDiverges",
    expr: `max by (replica) (${metrics.divergentRows.name}) > 0`,
    forSeconds: t.divergence.forSeconds,
    severity: "page",
    summary: "{{ $value }} rows of {{ $labels.replica }} differ from the source",
    section: "divergence",
  },
  {
    name: "VerificationOverdue",
    expr: `time() - max by (replica) (${metrics.verifiedAt.name}) > ${t.verificationOverdue.afterSeconds}`,
    forSeconds: t.verificationOverdue.forSeconds,
    severity: "ticket",
    summary: "The last verification of {{ $labels.replica }} was {{ $value | humanizeDuration }} ago",
    section: "verification-overdue",
  },
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
