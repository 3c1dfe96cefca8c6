/** Alerts on processes, the gateway's responses, and disks. */
import { conditions } from "../../../contracts/conditions.ts";
import { metrics } from "../../../contracts/metrics.ts";
import type { Project } from "../../../contracts/project.ts";
import { coreServices } from "../../../contracts/services.ts";
import { externalMetrics } from "../external-metrics.ts";
import { type Alert, duration } from "../rule.ts";
import type { Thresholds } from "../thresholds.ts";
import { camelCase } from "./conditions.ts";

const { up } = externalMetrics;

/** One alert per service and replica, and those that hold for all processes. */
export const processAlerts = (t: Thresholds, { replicaNames }: Pick<Project, "replicaNames">): readonly Alert[] => [
  ...[...coreServices, ...replicaNames.map((name) => `replica-${name}`)].map((service) => serviceDown(service, t)),
  {
    name: "InstanceAway",
    expr: `${up} == 0`,
    forSeconds: t.conditionSeconds["service-down"],
    severity: "ticket",
    summary: "{{ $labels.service }} {{ $labels.instance }} does not respond",
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
    name: "GatewayErrors",
    expr: serverErrorShare(t.gatewayErrors),
    forSeconds: t.gatewayErrors.forSeconds,
    severity: "page",
    summary: "{{ $value | humanizePercentage }} of the gateway's responses are server errors (5xx)",
    section: "gateway-errors",
  },
  {
    name: "AuthRefusals",
    expr: rejectedShare(t.authRefusals),
    forSeconds: t.authRefusals.forSeconds,
    severity: "ticket",
    summary: "{{ $value | humanizePercentage }} of the requests to the gateway are rejected by authorization",
    section: "auth-refusals",
  },
  {
    name: "DiskLow",
    expr: disksBelow(t.diskLow.freeShare),
    forSeconds: t.diskLow.forSeconds,
    severity: "page",
    summary: "Only {{ $value | humanizePercentage }} of the disk of {{ $labels.instance }} is free",
    section: "disk-low",
  },
];

/**
 * The condition `service-down`. One rule per service, so that it also fires when Prometheus has no target of the service
 * any more.
 */
const serviceDown = (service: string, t: Thresholds): Alert => ({
  name: camelCase("service-down"),
  expr: `absent(${up}{service="${service}"} == 1)`,
  forSeconds: t.conditionSeconds["service-down"],
  severity: conditions["service-down"].severity,
  labels: { service },
  summary: `No instance of ${service} responds`,
  section: "service-down",
});

/** Requests per second without health checks. @param matchers additional label matchers. */
const gatewayRate = (windowSeconds: number, matchers = ""): string =>
  `sum(rate(${metrics.httpRequests.name}_count{service="gateway",http_route!~"/health/.*"${matchers}}[${duration(windowSeconds)}]))`;

const serverErrorShare = ({ share, windowSeconds }: Thresholds["gatewayErrors"]): string =>
  `${gatewayRate(windowSeconds, ',http_response_status_code=~"5.."')} / ${gatewayRate(windowSeconds)} > ${share}`;

const rejectedShare = ({ share, windowSeconds }: Thresholds["authRefusals"]): string =>
  `sum(rate(${metrics.authRefusals.name}{service="gateway"}[${duration(windowSeconds)}])) / ${gatewayRate(windowSeconds)} > ${share}`;

/** Each environment has another source of disk metrics. Missing ones have no effect. */
function disksBelow(share: number): string {
  const { redpandaFree, redpandaTotal, nodeFree, nodeTotal } = externalMetrics;
  const own = `${metrics.diskFree.name} / ${metrics.diskSize.name}`;
  return [own, `${redpandaFree} / ${redpandaTotal}`, `${nodeFree} / ${nodeTotal}`]
    .map((free) => `${free} < ${share}`)
    .join(" or ");
}
