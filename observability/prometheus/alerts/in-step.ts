/** Alerts on the main objective: every change is readable in every replica within half a second. */
import { metrics } from "../../../contracts/metrics.ts";
import { slowRatio, type Window } from "../recording.ts";
import type { Alert } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";

/**
 * Burn rates of the error budget: how many times faster than allowed over a month. The long window ignores short
 * problems, the short window ends the alert soon after the problem.
 *
 * @see Beyer et al., The Site Reliability Workbook, chapter 5
 */
const BURN_RATES = [
  { name: "SyncLatencyBurnsFast", rate: 14.4, long: 3_600, short: 300, severity: "page", forSeconds: 120 },
  { name: "SyncLatencyBurnsSlowly", rate: 6, long: 21_600, short: 1_800, severity: "ticket", forSeconds: 900 },
] as const satisfies readonly { long: Window; short: Window; [more: string]: unknown }[];

/** Latency and canary. */
export const inStepAlerts = (t: Thresholds): readonly Alert[] => [
  ...BURN_RATES.map(({ name, rate, long, short, severity, forSeconds }): Alert => {
    const max = Number((rate * (1 - t.slo.objective)).toPrecision(3));
    return {
      name,
      expr: `${slowRatio(long)} > ${max} and ${slowRatio(short)} > ${max}`,
      forSeconds,
      severity,
      summary:
        `{{ $value | humanizePercentage }} of the changes took longer than ${t.slo.withinSeconds} s ` +
        `to become readable in {{ $labels.store }} of {{ $labels.replica }}`,
      section: "sync-latency",
    };
  }),
  {
    name: "CanarySilent",
    expr: canarySilent(t.canarySilent),
    forSeconds: t.canarySilent.forSeconds,
    severity: "page",
    summary: "No canary has reached {{ $labels.store }} of {{ $labels.replica }} for {{ $value | humanizeDuration }}",
    section: "canary-silent",
  },
];

/** Also fires if canaries are written and no replica has ever reported one. */
function canarySilent({ afterSeconds }: Thresholds["canarySilent"]): string {
  const { canarySeen, canaryWrites } = metrics;
  const old = `time() - max by (replica, store) (${canarySeen.name}) > ${afterSeconds}`;
  return `${old} or absent(${canarySeen.name}) and on () sum(${canaryWrites.name}) > 0`;
}
