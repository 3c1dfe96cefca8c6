/** The state of all parts at one moment, as the page shows it. */

import type { CacheHealth } from "../../../contracts/cache-health.ts";
import type { ActiveCondition } from "../../../operations/conditions/active-condition.ts";
import type { ServiceHealth } from "../../../operations/status/service-health.ts";
import type { LastVerification } from "../../../operations/verify/results.ts";
import type { Quantiles } from "./latency-histogram.ts";
import type { ReplicaLatency } from "./receipt-metrics.ts";

/** Size and growth of a topic. */
export interface TopicState {
  /** Sum of its partitions' end offsets: all records ever written to it. */
  readonly end: number;
  /** Records written per second; null until two samples exist. */
  readonly perSecond: number | null;
}

/** One consumer of one topic. */
export interface ConsumerState {
  /** `stream`, or the replica's name. */
  readonly name: string;
  readonly topic: string;
  /** Records between its committed offsets and the ends of the partitions. */
  readonly lag: number;
  /** Records consumed per second; null until two samples exist. */
  readonly perSecond: number | null;
}

/** Latency, rate and cache of a replica. */
export interface ReplicaState extends ReplicaLatency {
  /** From the replica's readiness report; null when it has none, or a note that this console does not know. */
  readonly cache: CacheHealth | null;
}

/** A rebuild in progress, started by any process. */
export interface RebuildProgress {
  readonly replica: string;
  /** Records applied to the new tables. */
  readonly done: number;
  /** Records in the log, at least `done`. */
  readonly total: number;
}

/** State of all parts. A null member is unknown: its query has not succeeded in the last six seconds. */
export interface Snapshot {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly services: readonly ServiceHealth[] | null;
  readonly outbox: { readonly depth: number; readonly oldestAgeSeconds: number } | null;
  /** By topic name. */
  readonly topics: Readonly<Record<string, TopicState>> | null;
  readonly consumers: readonly ConsumerState[] | null;
  /** Paused parts by name, with the time (ISO 8601) and reason of the pause. */
  readonly paused: Readonly<Record<string, { readonly at: string; readonly reason: string | null }>> | null;
  /** From the commit in the source to readable in a replica's PostgreSQL, over all replicas, last 30 s. */
  readonly latency: Quantiles;
  /** The same for the last complete second. */
  readonly lastSecond: Quantiles;
  /** By replica name. */
  readonly replicas: Readonly<Record<string, ReplicaState>>;
  /** Open dead letters. */
  readonly deadLetters: number | null;
  readonly verifications: readonly LastVerification[] | null;
  readonly rebuilds: readonly RebuildProgress[];
  /** All conditions that are present, pages first. */
  readonly conditions: readonly ActiveCondition[] | null;
}
