/** Alerts on the processes and what they stand on. */
import { replicaNames } from "../../../contracts/entities/index.ts";
import { metrics } from "../../../contracts/metrics.ts";
import { coreServices } from "../../../contracts/services.ts";
import { externalMetrics } from "../external-metrics.ts";
import { type Alert, duration } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";

const { up } = externalMetrics;

export const processAlerts = (t: Thresholds): readonly Alert[] => [
  ...coreServices.map((service) => away("ServiceAway", service, "service-away", t)),
  ...replicaNames.map((name) => away("ReplicaAway", `replica-${name}`, "replica-away", t)),
  {
    name: "InstanceAway",
    expr: `${up} == 0`,
    forSeconds: t.unavailable.forSeconds,
    severity: "ticket",
    summary: "{{ $labels.service }} {{ $labels.instance }} does not answer",
    section: "instance-away",
  },
  {
    name: "Restarting",
    expr: `changes(${metrics.startTime.name}[${duration(t.restarts.windowSeconds)}]) > ${t.restarts.times}`,
    forSeconds: 0,
    severity: "page",
    summary: `{{ $labels.service }} {{ $labels.instance }} started {{ $value }} times within ${duration(t.restarts.windowSeconds)}`,
    section: "restarting",
  },
  {
    name: "PausedLong",
    expr: `max by (service) (${metrics.paused.name}) == 1`,
    forSeconds: t.pausedLong.forSeconds,
    severity: "ticket",
    summary: `{{ $labels.service }} has been paused for more than ${duration(t.pausedLong.forSeconds)}`,
    section: "paused-long",
  },
  {
    name: "GatewayErrors",
    expr: failing(t.gatewayErrors),
    forSeconds: t.gatewayErrors.forSeconds,
    severity: "page",
    summary: "{{ $value | humanizePercentage }} of the gateway's answers are errors of its own",
    section: "gateway-errors",
  },
  {
    name: "AuthRefusals",
    expr: refusing(t.authRefusals),
    forSeconds: t.authRefusals.forSeconds,
    severity: "ticket",
    summary: "{{ $value | humanizePercentage }} of the gateway's requests are not let in",
    section: "auth-refusals",
  },
  {
    name: "DiskLow",
    expr: disksBelow(t.diskLow.freeShare),
    forSeconds: t.diskLow.forSeconds,
    severity: "page",
    summary: "{{ $labels.instance }}: {{ $value | humanizePercentage }} of the disk is free",
    section: "disk-low",
  },
];

/** One rule for each service: only so it also fires when nothing of a service is even looked for any more. */
const away = (name: string, service: string, section: string, t: Thresholds): Alert => ({
  name,
  expr: `absent(${up}{service="${service}"} == 1)`,
  forSeconds: t.unavailable.forSeconds,
  severity: "page",
  labels: { service },
  summary: `No instance of ${service} answers`,
  section,
});

/** Requests a second, but for health checks. @param and further conditions on the labels. */
const gatewayRate = (windowSeconds: number, and = ""): string =>
  `sum(rate(${metrics.httpRequests.name}_count{service="gateway",http_route!~"/health/.*"${and}}[${duration(windowSeconds)}]))`;

const failing = ({ share, windowSeconds }: Thresholds["gatewayErrors"]): string =>
  `${gatewayRate(windowSeconds, ',http_response_status_code=~"5.."')} / ${gatewayRate(windowSeconds)} > ${share}`;

const refusing = ({ share, windowSeconds }: Thresholds["authRefusals"]): string =>
  `sum(rate(${metrics.authRefusals.name}{service="gateway"}[${duration(windowSeconds)}])) / ${gatewayRate(windowSeconds)} > ${share}`;

/** What tells of disks differs from place to place; what is not there says nothing. */
function disksBelow(share: number): string {
  const { redpandaFree, redpandaTotal, nodeFree, nodeTotal } = externalMetrics;
  const own = `${metrics.diskFree.name} / ${metrics.diskSize.name}`;
  return [own, `${redpandaFree} / ${redpandaTotal}`, `${nodeFree} / ${nodeTotal}`]
    .map((free) => `${free} < ${share}`)
    .join(" or ");
}
