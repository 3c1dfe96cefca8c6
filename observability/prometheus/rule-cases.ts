/**
 * Cases for `promtool test rules`: eight hours of a healthy system, the difference in each case, and the alerts that
 * fire.
 */
import { type ConditionName, conditionNames } from "../../contracts/conditions.ts";
import { metrics } from "../../contracts/metrics.ts";
import { coreServices } from "../../contracts/services.ts";
import { streamGroup } from "../../contracts/topics.ts";
import { camelCase } from "./alerts/conditions.ts";
import { externalMetrics } from "./external-metrics.ts";

/** Values by series, one per minute, in promtool's notation: `start+stepxcount`. */
export type SeriesValues = Readonly<Record<string, string>>;

/** One case. */
export interface RuleCase {
  readonly situation: string;
  readonly series: SeriesValues;
  readonly atMinutes: number;
  /** Number of firing alerts by complete name. */
  readonly fires: Readonly<Record<string, number>>;
}

/** Replicas of the project of the tests. */
const replicaNames = ["catalog", "storefront"];

const MINUTES = 480;
const steady = (value: number) => `${value}x${MINUTES}`;
const rising = (perMinute: number) => `0+${perMinute}x${MINUTES}`;
/** One value for some minutes, then another. */
const changing = (from: number, minutes: number, to: number) => `${from}x${minutes} ${to}x${MINUTES - minutes}`;

const services = [...coreServices, ...replicaNames.map((name) => `replica-${name}`)];
const labelsOf = (service: string) => `service="${service}",instance="1",job="lockstep"`;

const latency = (replica: string, store: string, le?: string) =>
  `${metrics.syncLatency.name}_${le ? "bucket" : "count"}{${labelsOf(`replica-${replica}`)},replica="${replica}",store="${store}"${le ? `,le="${le}"` : ""}}`;

const http = (status: number) =>
  `${metrics.httpRequests.name}_count{${labelsOf("gateway")},http_route="/products",http_response_status_code="${status}"}`;
const refused = (reason: string) => `${metrics.authRefusals.name}{${labelsOf("gateway")},reason="${reason}"}`;
const ofReplica = (name: string) => `${name}{${labelsOf("console")},replica="catalog"}`;

const canary = (store: string) =>
  `${metrics.canarySeen.name}{${labelsOf("replica-catalog")},replica="catalog",store="${store}"}`;

const condition = (name: ConditionName) => `${metrics.condition.name}{${labelsOf("console")},condition="${name}"}`;
/** `service-down` has an alert of another kind. */
const ofGauge = conditionNames.filter((name) => name !== "service-down");

const healthy: SeriesValues = {
  ...Object.fromEntries(ofGauge.map((name) => [condition(name), steady(0)])),
  ...Object.fromEntries(services.map((service) => [`${externalMetrics.up}{${labelsOf(service)}}`, steady(1)])),
  ...Object.fromEntries(
    services.map((service) => [`${metrics.startTime.name}{${labelsOf(service)}}`, steady(1_700_000_000)]),
  ),
  ...Object.fromEntries(
    replicaNames.flatMap((replica) =>
      ["postgres", "redis"].flatMap((store) => [
        [latency(replica, store, "0.5"), rising(60)],
        [latency(replica, store, "+Inf"), rising(60)],
        [latency(replica, store), rising(60)],
      ]),
    ),
  ),
  [canary("postgres")]: rising(60),
  [canary("redis")]: rising(60),
  [`${metrics.canaryWrites.name}{${labelsOf("gateway")},outcome="written"}`]: rising(12),
  [ofReplica(metrics.cacheEpoch.name)]: steady(7),
  [http(200)]: rising(600),
  [http(500)]: rising(1),
  [http(401)]: rising(60),
  [refused("expired")]: rising(60),
  [`${metrics.diskFree.name}{${labelsOf("stream")},folder="/data"}`]: steady(50),
  [`${metrics.diskSize.name}{${labelsOf("stream")},folder="/data"}`]: steady(100),
};

const withSeries = (situation: string, changes: SeriesValues, fires: RuleCase["fires"], atMinutes = 20): RuleCase => ({
  situation,
  series: { ...healthy, ...changes },
  atMinutes,
  fires,
});

/** Without some of the healthy series. */
const withoutSeries = (
  situation: string,
  isRemoved: (series: string) => boolean,
  fires: RuleCase["fires"],
): RuleCase => ({
  situation,
  series: Object.fromEntries(Object.entries(healthy).filter(([name]) => !isRemoved(name))),
  atMinutes: 20,
  fires,
});

const slow = (minutes: number, perMinute: number): SeriesValues => ({
  [latency("catalog", "postgres", "0.5")]:
    `0+60x${MINUTES - minutes} ${60 * (MINUTES - minutes)}+${perMinute}x${minutes}`,
});

/** At least one case per alert, and healthy systems. */
export const ruleCases: readonly RuleCase[] = [
  withSeries("the system is healthy and has a constant backlog", {}, {}, MINUTES),
  withSeries("one of five changes is slow for an hour", slow(60, 48), { LockstepSyncLatencyBurnsFast: 1 }, MINUTES),
  withSeries(
    "one of twelve changes is slow for six hours",
    slow(360, 55),
    { LockstepSyncLatencyBurnsSlowly: 1 },
    MINUTES,
  ),
  withSeries(
    // Ten minutes more than the window of half an hour: groups are evaluated in any order, so an alert may use a
    // recording that is five minutes old.
    "the latency was high until forty minutes ago",
    { [latency("catalog", "postgres", "0.5")]: `0+60x300 18000+30x140 22200+60x40` },
    {},
    MINUTES,
  ),
  withSeries(
    "every condition is present for two hours",
    Object.fromEntries(ofGauge.map((name) => [condition(name), changing(0, 10, 1)])),
    Object.fromEntries(ofGauge.map((name) => [`Lockstep${camelCase(name)}`, 1])),
    130,
  ),
  withSeries(
    "conditions are present for a moment only",
    Object.fromEntries(["paused", "lag-growing"].map((name) => [condition(name as ConditionName), changing(0, 18, 1)])),
    {},
  ),
  withSeries("no canary reaches a cache", { [canary("redis")]: "0+60x10 600x470" }, { LockstepCanarySilent: 1 }),
  withoutSeries("canaries are written and no replica reports one", (name) => name.startsWith(metrics.canarySeen.name), {
    LockstepCanarySilent: 1,
  }),
  withSeries(
    "the log deleted records before a consumer read them",
    {
      [`${metrics.inputGaps.name}{${labelsOf("stream")},group="${streamGroup({ namespace: "" })}"}`]: `_x10 1x${MINUTES - 10}`,
    },
    { LockstepInputGap: 1 },
  ),
  withSeries(
    "Redis loses its data repeatedly",
    { [ofReplica(metrics.cacheEpoch.name)]: "7x10 8 9 10 11 11 11 11 11 11 11 11" },
    { LockstepCacheEpochRising: 1 },
  ),
  withSeries(
    "a service does not respond",
    { [`${externalMetrics.up}{${labelsOf("relay")}}`]: changing(1, 10, 0) },
    { LockstepServiceDown: 1, LockstepInstanceAway: 1 },
  ),
  withSeries(
    "one of two instances of a replica does not respond",
    { [`${externalMetrics.up}{service="replica-catalog",instance="2",job="lockstep"}`]: steady(0) },
    { LockstepInstanceAway: 1 },
  ),
  withSeries(
    "a replica does not respond",
    { [`${externalMetrics.up}{${labelsOf("replica-catalog")}}`]: changing(1, 10, 0) },
    { LockstepServiceDown: 1, LockstepInstanceAway: 1 },
  ),
  withoutSeries(
    "Prometheus has no target for a replica",
    (name) => name.startsWith(`${externalMetrics.up}{service="replica-catalog"`),
    { LockstepServiceDown: 1 },
  ),
  withSeries(
    "a process restarts repeatedly",
    { [`${metrics.startTime.name}{${labelsOf("stream")}}`]: "1+60x20" },
    { LockstepRestarting: 1 },
  ),
  withSeries("one of ten requests fails", { [http(500)]: rising(70) }, { LockstepGatewayErrors: 1 }),
  withSeries(
    "one of three requests is rejected by authorization",
    { [http(401)]: rising(300), [refused("untrusted")]: rising(240) },
    { LockstepAuthRefusals: 1 },
  ),
  withSeries(
    "the disk is almost full",
    { [`${metrics.diskFree.name}{${labelsOf("stream")},folder="/data"}`]: changing(50, 10, 5) },
    { LockstepDiskLow: 1 },
  ),
  withSeries(
    "Redpanda's disk is almost full",
    {
      [`${externalMetrics.redpandaFree}{instance="redpanda:9644"}`]: steady(5),
      [`${externalMetrics.redpandaTotal}{instance="redpanda:9644"}`]: steady(100),
    },
    { LockstepDiskLow: 1 },
  ),
];
