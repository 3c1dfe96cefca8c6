/** Situations for `promtool test rules`: a healthy system for some hours, and what is different in each; which alerts fire then. */
import { replicaNames } from "../../contracts/entities/index.ts";
import { metrics } from "../../contracts/metrics.ts";
import { coreServices } from "../../contracts/services.ts";
import { replicaGroup, streamGroup } from "../../contracts/topics.ts";
import { externalMetrics } from "./external-metrics.ts";

/** Values by series, a minute apart, as promtool writes them: `start+stepxcount`. */
export type SeriesValues = Readonly<Record<string, string>>;

export interface RuleCase {
  readonly situation: string;
  readonly series: SeriesValues;
  readonly atMinutes: number;
  /** How many of each alert fire, by its whole name. */
  readonly fires: Readonly<Record<string, number>>;
}

const MINUTES = 480;
const steady = (value: number) => `${value}x${MINUTES}`;
const rising = (perMinute: number) => `0+${perMinute}x${MINUTES}`;
/** One value for some minutes, then another. */
const turns = (from: number, minutes: number, to: number) => `${from}x${minutes} ${to}x${MINUTES - minutes}`;

const services = [...coreServices, ...replicaNames.map((name) => `replica-${name}`)];
const at = (service: string) => `service="${service}",instance="1",job="lockstep"`;

const latency = (replica: string, store: string, le?: string) =>
  `${metrics.syncLatency.name}_${le ? "bucket" : "count"}{${at(`replica-${replica}`)},replica="${replica}",store="${store}"${le ? `,le="${le}"` : ""}}`;

const http = (status: number) =>
  `${metrics.httpRequests.name}_count{${at("gateway")},http_route="/products",http_response_status_code="${status}"}`;
const refused = (reason: string) => `${metrics.authRefusals.name}{${at("gateway")},reason="${reason}"}`;
const cache = (result: string) =>
  `${metrics.cacheRequests.name}{${at("replica-catalog")},replica="catalog",result="${result}"}`;
const lag = (group: string) => `${metrics.consumerLag.name}{${at("console")},group="${group}",partition="0"}`;
const ofReplica = (name: string) => `${name}{${at("console")},replica="catalog"}`;

const canary = (store: string) =>
  `${metrics.canarySeen.name}{${at("replica-catalog")},replica="catalog",store="${store}"}`;

const healthy: SeriesValues = {
  ...Object.fromEntries(services.map((service) => [`${externalMetrics.up}{${at(service)}}`, steady(1)])),
  ...Object.fromEntries(
    services.map((service) => [`${metrics.startTime.name}{${at(service)}}`, steady(1_700_000_000)]),
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
  [`${metrics.canaryWrites.name}{${at("gateway")},outcome="written"}`]: rising(12),
  [`${metrics.outboxOldestAge.name}{${at("relay")}}`]: steady(0),
  [lag(streamGroup)]: steady(3),
  [lag(replicaGroup("catalog"))]: steady(5_000),
  [`${metrics.deadLetters.name}{${at("stream")}}`]: steady(0),
  [ofReplica(metrics.divergentRows.name)]: steady(0),
  [ofReplica(metrics.verifiedAt.name)]: rising(60),
  [ofReplica(metrics.cacheEpoch.name)]: steady(7),
  [cache("hit")]: rising(600),
  [cache("bypass")]: rising(10),
  [`${metrics.paused.name}{${at("stream")}}`]: steady(0),
  [http(200)]: rising(600),
  [http(500)]: rising(1),
  [http(401)]: rising(60),
  [refused("expired")]: rising(60),
  [`${metrics.diskFree.name}{${at("stream")},folder="/data"}`]: steady(50),
  [`${metrics.diskSize.name}{${at("stream")},folder="/data"}`]: steady(100),
};

const differs = (situation: string, changes: SeriesValues, fires: RuleCase["fires"], atMinutes = 20): RuleCase => ({
  situation,
  series: { ...healthy, ...changes },
  atMinutes,
  fires,
});

/** Without some of the healthy series. */
const lacks = (situation: string, gone: (series: string) => boolean, fires: RuleCase["fires"]): RuleCase => ({
  situation,
  series: Object.fromEntries(Object.entries(healthy).filter(([name]) => !gone(name))),
  atMinutes: 20,
  fires,
});

const slow = (minutes: number, perMinute: number): SeriesValues => ({
  [latency("catalog", "postgres", "0.5")]:
    `0+60x${MINUTES - minutes} ${60 * (MINUTES - minutes)}+${perMinute}x${minutes}`,
});

export const ruleCases: readonly RuleCase[] = [
  differs("all is well, also with a backlog that does not grow", {}, {}, MINUTES),
  differs("one of five changes has been slow for an hour", slow(60, 48), { LockstepSyncLatencyBurnsFast: 1 }, MINUTES),
  differs("one of twelve has been slow for six hours", slow(360, 55), { LockstepSyncLatencyBurnsSlowly: 1 }, MINUTES),
  differs(
    // Ten minutes longer ago than the window of half an hour: groups are evaluated in any order, so an alert may see what was recorded five before.
    "the latency was bad until forty minutes ago",
    { [latency("catalog", "postgres", "0.5")]: `0+60x300 18000+30x140 22200+60x40` },
    {},
    MINUTES,
  ),
  differs(
    "a change waits in the outbox",
    { [`${metrics.outboxOldestAge.name}{${at("relay")}}`]: rising(60) },
    { LockstepOutboxOld: 1 },
  ),
  differs("the stream falls back", { [lag(streamGroup)]: rising(600) }, { LockstepLagGrowing: 1 }),
  differs("no canary reaches a cache", { [canary("redis")]: "0+60x10 600x470" }, { LockstepCanarySilent: 1 }),
  lacks("canaries are written and seen nowhere", (name) => name.startsWith(metrics.canarySeen.name), {
    LockstepCanarySilent: 1,
  }),
  differs(
    "an event could not be processed",
    { [`${metrics.deadLetters.name}{${at("stream")}}`]: turns(0, 10, 1) },
    { LockstepDeadLettersOpen: 1 },
  ),
  differs(
    "a row of a replica was changed by hand",
    { [ofReplica(metrics.divergentRows.name)]: turns(0, 10, 1) },
    { LockstepReplicaDiverges: 1 },
  ),
  differs(
    "nobody verifies any more",
    { [ofReplica(metrics.verifiedAt.name)]: steady(0) },
    { LockstepVerificationOverdue: 1 },
    60,
  ),
  differs(
    "a consumer finds its input gone",
    { [`${metrics.inputGaps.name}{${at("stream")},group="${streamGroup}"}`]: `_x10 1x${MINUTES - 10}` },
    { LockstepInputGap: 1 },
  ),
  differs(
    "Redis loses its memory again and again",
    { [ofReplica(metrics.cacheEpoch.name)]: "7x10 8 9 10 11 11 11 11 11 11 11 11" },
    { LockstepCacheEpochRising: 1 },
  ),
  differs(
    "reads go round the cache",
    { [cache("hit")]: steady(0), [cache("bypass")]: rising(600) },
    { LockstepCacheBypassed: 1 },
  ),
  differs(
    "a service does not answer",
    { [`${externalMetrics.up}{${at("relay")}}`]: turns(1, 10, 0) },
    { LockstepServiceAway: 1, LockstepInstanceAway: 1 },
  ),
  differs(
    "one of two replicas' processes does not answer",
    { [`${externalMetrics.up}{service="replica-catalog",instance="2",job="lockstep"}`]: steady(0) },
    { LockstepInstanceAway: 1 },
  ),
  differs(
    "a replica does not answer",
    { [`${externalMetrics.up}{${at("replica-catalog")}}`]: turns(1, 10, 0) },
    { LockstepReplicaAway: 1, LockstepInstanceAway: 1 },
  ),
  lacks(
    "nobody even looks for a replica any more",
    (name) => name.startsWith(`${externalMetrics.up}{service="replica-catalog"`),
    { LockstepReplicaAway: 1 },
  ),
  differs(
    "a process starts again and again",
    { [`${metrics.startTime.name}{${at("stream")}}`]: "1+60x20" },
    { LockstepRestarting: 1 },
  ),
  differs(
    "somebody forgot to resume",
    { [`${metrics.paused.name}{${at("stream")}}`]: turns(0, 10, 1) },
    { LockstepPausedLong: 1 },
    80,
  ),
  differs("one of ten requests fails", { [http(500)]: rising(70) }, { LockstepGatewayErrors: 1 }),
  differs(
    "one of three requests is not let in",
    { [http(401)]: rising(300), [refused("untrusted")]: rising(240) },
    { LockstepAuthRefusals: 1 },
  ),
  differs(
    "the disk is nearly full",
    { [`${metrics.diskFree.name}{${at("stream")},folder="/data"}`]: turns(50, 10, 5) },
    { LockstepDiskLow: 1 },
  ),
  differs(
    "Redpanda's disk is nearly full",
    {
      [`${externalMetrics.redpandaFree}{instance="redpanda:9644"}`]: steady(5),
      [`${externalMetrics.redpandaTotal}{instance="redpanda:9644"}`]: steady(100),
    },
    { LockstepDiskLow: 1 },
  ),
];
