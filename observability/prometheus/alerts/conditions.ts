/** One alert per condition of contracts/conditions.ts, from the gauge that services report. */
import { type ConditionName, conditionNames, conditions } from "../../../contracts/conditions.ts";
import { metrics } from "../../../contracts/metrics.ts";
import type { Alert } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";

/** The name of a condition as part of an alert's name: `outbox-stalled` → `OutboxStalled`. */
export const camelCase = (condition: ConditionName): string =>
  condition.replace(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase());

/** All conditions but `service-down`: the alerts on processes see it without the console (processes.ts). */
export const conditionAlerts = ({ conditionSeconds }: Thresholds): readonly Alert[] =>
  conditionNames
    .filter((condition) => condition !== "service-down")
    .map((condition) => ({
      name: camelCase(condition),
      expr: `max by (service) (${metrics.condition.name}{condition="${condition}"}) > 0`,
      forSeconds: conditionSeconds[condition],
      severity: conditions[condition].severity,
      summary: `${conditions[condition].means} Reported by {{ $labels.service }}.`,
      section: condition,
    }));
