/** Metrics of applied events. An internal entity, the canary, reports to metrics of its own and appears in no other. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Outcome } from "./reduce.ts";

/** Where an event becomes readable. */
export type Store = "postgres" | "redis";

/** What one entity's consumer reports. Times are milliseconds since 1970. */
export interface ApplyMetrics {
  /** Counts events by outcome. `invalid`: not an event; `unappliable`: rejected by the table. */
  readonly count: (outcome: Outcome | "invalid" | "unappliable", events: number) => void;
  /** Records the latency of a new event from its commit in the source to a store of this replica. */
  readonly observeLatency: (store: Store, committedMs: number, readableMs: number, traceId: string | undefined) => void;
}

/** The metrics of one entity in one replica. */
export const applyMetricsOf = (entity: EntityDeclaration, replica: string, metrics: Metrics): ApplyMetrics =>
  entity.internal ? canaryMetrics(replica, metrics) : entityMetrics(replica, metrics);

const secondsBetween = (startMs: number, endMs: number): number => Math.max(0, endMs - startMs) / 1_000;

const entityMetrics = (replica: string, metrics: Metrics): ApplyMetrics => ({
  count: (outcome, events) => metrics.replicaApplied.inc({ replica, outcome }, events),
  observeLatency: (store, committedMs, readableMs, traceId) =>
    metrics.syncLatency.observe({ replica, store }, secondsBetween(committedMs, readableMs), traceId),
});

const canaryMetrics = (replica: string, metrics: Metrics): ApplyMetrics => ({
  count: () => {},
  observeLatency: (store, committedMs, readableMs, traceId) => {
    metrics.canaryLatency.observe({ replica, store }, secondsBetween(committedMs, readableMs), traceId);
    metrics.canarySeen.set({ replica, store }, committedMs / 1_000);
  },
});
