/** The latency of a copy that has neither a log, nor a cache, nor metrics. */
import { type Figures, figuresOf } from "../figures.ts";
import type { ReplicaLatency } from "../result.ts";

const NO_FIGURES = figuresOf([]);
const NO_HISTOGRAM = { count: 0, p50: 0, p99: 0 };

/** Returns the latency of a peer's copy. @param commitToCommitMs by the databases' commit timestamps. */
export const databaseLatency = (commitToCommitMs: Figures): ReplicaLatency => ({
  commitToCommitMs,
  hopsMs: null,
  commitToRedisMs: NO_FIGURES,
  histogramMs: { postgres: NO_HISTOGRAM, redis: NO_HISTOGRAM },
});
