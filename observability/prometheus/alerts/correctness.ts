/** Alerts on what a replica shows: is it what the source has? */
import { metrics } from "../../../contracts/metrics.ts";
import { type Alert, duration } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";

export const correctnessAlerts = (t: Thresholds): readonly Alert[] => [
  {
    name: "DeadLettersOpen",
    expr: `sum(${metrics.deadLetters.name}) > 0`,
    forSeconds: t.deadLetters.forSeconds,
    severity: "ticket",
    summary: "{{ $value }} events could not be processed, and nothing newer has healed them",
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
    summary: "{{ $labels.replica }} was last verified {{ $value | humanizeDuration }} ago",
    section: "verification-overdue",
  },
  {
    name: "InputGap",
    expr: gap(t.inputGap),
    forSeconds: 0,
    severity: "page",
    summary: "The log no longer held what {{ $labels.group }} had to read next",
    section: "input-gap",
  },
];

/** A counter with labels is not there before its first count, and has then no increase: all of what is new counts. */
function gap({ windowSeconds }: Thresholds["inputGap"]): string {
  const gaps = metrics.inputGaps.name;
  const window = duration(windowSeconds);
  return `sum by (group) (${gaps} unless ${gaps} offset ${window} or increase(${gaps}[${window}])) > 0`;
}
