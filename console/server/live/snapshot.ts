/** How everything is at one moment, as the page shows it. */

import type { ServiceHealth } from "../../../operations/status/service-health.ts";
import type { LastVerification } from "../../../operations/verify/results.ts";
import type { Quantiles } from "./latency-histogram.ts";
import type { ReplicaTraffic } from "./receipt-metrics.ts";

export interface TopicNow {
  /** Records that were ever written to it. */
  readonly end: number;
  readonly perSecond: number | null;
}

/** One consumer of one topic. */
export interface FollowsNow {
  /** `stream`, or the replica's name. */
  readonly name: string;
  readonly topic: string;
  readonly lag: number;
  readonly perSecond: number | null;
}

export interface ReplicaNow extends ReplicaTraffic {
  /** What its process says of its cache; null when it does not say. */
  readonly cache: "on" | "off" | "away" | "none" | null;
}

export interface RebuildNow {
  readonly replica: string;
  /** Records that are in the new tables, and how many the log has. */
  readonly done: number;
  readonly total: number;
}

/** Null: it does not answer, or has not answered yet. */
export interface Snapshot {
  /** Milliseconds since 1970. */
  readonly atMs: number;
  readonly services: readonly ServiceHealth[] | null;
  readonly outbox: { readonly depth: number; readonly oldestAgeSeconds: number } | null;
  readonly topics: Readonly<Record<string, TopicNow>> | null;
  readonly follows: readonly FollowsNow[] | null;
  /** Names of those who are paused, with why and since when. */
  readonly paused: Readonly<Record<string, { readonly at: string; readonly reason: string | null }>> | null;
  /** From the commit in the source to readable in a replica's PostgreSQL, of all replicas. */
  readonly latency: Quantiles;
  /** The same of the last whole second. */
  readonly lastSecond: Quantiles;
  readonly replicas: Readonly<Record<string, ReplicaNow>>;
  readonly deadLetters: number | null;
  readonly verifications: readonly LastVerification[] | null;
  readonly rebuilds: readonly RebuildNow[];
}
