/** All rules. The thresholds are a parameter: the file uses those of production, tests use shorter ones. */
import type { Project } from "../../contracts/project.ts";
import { cacheAlerts } from "./alerts/cache.ts";
import { conditionAlerts } from "./alerts/conditions.ts";
import { correctnessAlerts } from "./alerts/correctness.ts";
import { inStepAlerts } from "./alerts/in-step.ts";
import { processAlerts } from "./alerts/processes.ts";
import { recordings } from "./recording.ts";
import { type Alert, alertName, duration } from "./rule.ts";
import type { Thresholds } from "./thresholds.ts";

/** What the rules depend on of a project. */
type RuledProject = Pick<Project, "replicaNames">;

/** All alerts. */
export const alerts = (t: Thresholds, project: RuledProject): readonly Alert[] => [
  ...conditionAlerts(t),
  ...inStepAlerts(t),
  ...correctnessAlerts(t),
  ...cacheAlerts(t),
  ...processAlerts(t, project),
];

/** The content of Prometheus' rule file. */
export const ruleFile = (t: Thresholds, project: RuledProject) => ({
  groups: [
    { name: "lockstep-recording", rules: recordings(t) },
    { name: "lockstep-alerts", rules: alerts(t, project).map((alert) => toRule(alert, t)) },
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
