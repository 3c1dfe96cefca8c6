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
  /** Records the latency of `events` new events from their commit in the source to a store of this replica. */
  readonly observeLatency: (
    store: Store,
    committedMs: number,
    readableMs: number,
    traceId: string | undefined,
    events: number,
  ) => void;
}

/** The metrics of one entity in one replica. */
export const applyMetricsOf = (entity: EntityDeclaration, replica: string, metrics: Metrics): ApplyMetrics =>
  entity.internal ? canaryMetrics(replica, metrics) : entityMetrics(replica, metrics);

/** 0 for an event without a readable time: a metric must not stop the apply. */
const secondsBetween = (startMs: number, endMs: number): number => Math.max(0, endMs - startMs || 0) / 1_000;

/** The labels of each store, always the same objects. */
const labelsOf = (replica: string): Record<Store, { readonly replica: string; readonly store: Store }> => ({
  postgres: { replica, store: "postgres" },
  redis: { replica, store: "redis" },
});

function entityMetrics(replica: string, metrics: Metrics): ApplyMetrics {
  const labels = labelsOf(replica);
  return {
    count: (outcome, events) => metrics.replicaApplied.inc({ replica, outcome }, events),
    observeLatency: (store, committedMs, readableMs, traceId, events) =>
      metrics.syncLatency.observe(labels[store], secondsBetween(committedMs, readableMs), traceId, events),
  };
}

function canaryMetrics(replica: string, metrics: Metrics): ApplyMetrics {
  const labels = labelsOf(replica);
  return {
    count: () => {},
    observeLatency: (store, committedMs, readableMs, traceId, events) => {
      metrics.canaryLatency.observe(labels[store], secondsBetween(committedMs, readableMs), traceId, events);
      metrics.canarySeen.set(labels[store], committedMs / 1_000);
    },
  };
}
