/** Alerts on what the system is for: a change is readable everywhere, soon. */
import { metrics } from "../../../contracts/metrics.ts";
import { GROUP_LAG, slowRatio, type Window } from "../recording.ts";
import { type Alert, duration } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";

/**
 * How fast the budget of slow changes is used up, in times of what would just last a month. A long window so that it matters, a
 * short one so that the alert ends when the trouble does.
 * @see Beyer et al., The Site Reliability Workbook, chapter 5
 */
const BURNS = [
  { name: "SyncLatencyBurnsFast", times: 14.4, long: 3_600, short: 300, severity: "page", forSeconds: 120 },
  { name: "SyncLatencyBurnsSlowly", times: 6, long: 21_600, short: 1_800, severity: "ticket", forSeconds: 900 },
] as const satisfies readonly { long: Window; short: Window; [more: string]: unknown }[];

export const inStepAlerts = (t: Thresholds): readonly Alert[] => [
  ...BURNS.map(({ name, times, long, short, severity, forSeconds }): Alert => {
    const max = Number((times * (1 - t.slo.objective)).toPrecision(3));
    return {
      name,
      expr: `${slowRatio(long)} > ${max} and ${slowRatio(short)} > ${max}`,
      forSeconds,
      severity,
      summary:
        `{{ $value | humanizePercentage }} of the changes took more than ${t.slo.withinSeconds} s ` +
        `to be readable in {{ $labels.replica }}'s {{ $labels.store }}`,
      section: "sync-latency",
    };
  }),
  {
    name: "OutboxOld",
    expr: `max(${metrics.outboxOldestAge.name}) > ${t.outboxOld.aboveSeconds}`,
    forSeconds: t.outboxOld.forSeconds,
    severity: "page",
    summary: "The oldest change has waited {{ $value | humanizeDuration }} in the outbox",
    section: "outbox-old",
  },
  {
    name: "LagGrowing",
    expr: lagGrows(t.lagGrowing),
    forSeconds: t.lagGrowing.forSeconds,
    severity: "page",
    summary: "{{ $labels.group }} has {{ $value }} records before it, and more each minute",
    section: "lag-growing",
  },
  {
    name: "CanarySilent",
    expr: canarySilent(t.canarySilent),
    forSeconds: t.canarySilent.forSeconds,
    severity: "page",
    summary: "No canary has come to {{ $labels.replica }} {{ $labels.store }} for {{ $value | humanizeDuration }}",
    section: "canary-silent",
  },
];

/** Written and seen nowhere at all is a silence too. */
function canarySilent({ afterSeconds }: Thresholds["canarySilent"]): string {
  const { canarySeen, canaryWrites } = metrics;
  const old = `time() - max by (replica, store) (${canarySeen.name}) > ${afterSeconds}`;
  return `${old} or absent(${canarySeen.name}) and on () sum(${canaryWrites.name}) > 0`;
}

function lagGrows({ aboveRecords, windowSeconds }: Thresholds["lagGrowing"]): string {
  return `${GROUP_LAG} > ${aboveRecords} and ${GROUP_LAG} > ${GROUP_LAG} offset ${duration(windowSeconds)}`;
}
