/** All rules. The thresholds are a parameter: the file uses those of production, tests use shorter ones. */
import { cacheAlerts } from "./alerts/cache.ts";
import { conditionAlerts } from "./alerts/conditions.ts";
import { correctnessAlerts } from "./alerts/correctness.ts";
import { inStepAlerts } from "./alerts/in-step.ts";
import { processAlerts } from "./alerts/processes.ts";
import { recordings } from "./recording.ts";
import { type Alert, alertName, duration } from "./rule.ts";
import type { Thresholds } from "./thresholds.ts";

/** All alerts. */
export const alerts = (t: Thresholds): readonly Alert[] => [
  ...conditionAlerts(t),
  ...inStepAlerts(t),
  ...correctnessAlerts(t),
  ...cacheAlerts(t),
  ...processAlerts(t),
];

/** The content of Prometheus' rule file. */
export const ruleFile = (t: Thresholds) => ({
  groups: [
    { name: "lockstep-recording", rules: recordings(t) },
    { name: "lockstep-alerts", rules: alerts(t).map((alert) => toRule(alert, t)) },
  ],
});

function toRule(alert: Alert, { runbook }: Thresholds) {
  const { expr, forSeconds, severity, labels, summary, section } = alert;
  return {
    alert: alertName(alert),
    expr,
    ...(forSeconds > 0 ? { for: duration(forSeconds) } : {}),
    labels: { severity, ...labels },
    annotations: { summary, runbook_url: `${runbook}#${section}` },
  };
}
