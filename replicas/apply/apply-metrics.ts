/** What a follower tells of the events that it applies: in the metrics of everything, or, of the canary, in its own and nowhere else. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Outcome } from "./reduce.ts";

export type Store = "postgres" | "redis";

export interface ApplyMetrics {
  readonly outcome: (outcome: Outcome | "invalid" | "unappliable", count?: number) => void;
  /** An event that was new is readable in a store. Times are milliseconds since 1970. */
  readonly readable: (store: Store, committedMs: number, atMs: number, traceId: string | undefined) => void;
}

export const applyMetricsOf = (entity: EntityDeclaration, replica: string, metrics: Metrics): ApplyMetrics =>
  entity.internal ? canaryTold(replica, metrics) : changesTold(replica, metrics);

const secondsFrom = (committedMs: number, atMs: number): number => Math.max(0, atMs - committedMs) / 1_000;

const changesTold = (replica: string, metrics: Metrics): ApplyMetrics => ({
  outcome: (outcome, count = 1) => metrics.replicaApplied.inc({ replica, outcome }, count),
  readable: (store, committedMs, atMs, traceId) =>
    metrics.syncLatency.observe({ replica, store }, secondsFrom(committedMs, atMs), traceId),
});

const canaryTold = (replica: string, metrics: Metrics): ApplyMetrics => ({
  outcome: () => {},
  readable: (store, committedMs, atMs, traceId) => {
    metrics.canaryLatency.observe({ replica, store }, secondsFrom(committedMs, atMs), traceId);
    metrics.canarySeen.set({ replica, store }, committedMs / 1_000);
  },
});
