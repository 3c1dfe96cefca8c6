/** Gauges that are read at each scrape instead of updated with each change: buffers and connection pools. */
import type { Metrics } from "./metrics.ts";

/** Reports how full a bounded buffer is. @param buffer a constant of the code: it becomes a label. */
export function watchBuffer(
  metrics: Pick<Metrics, "bufferItems" | "bufferLimit" | "onCollect">,
  buffer: string,
  limit: number,
  items: () => number,
): void {
  metrics.bufferLimit.set({ buffer }, limit);
  metrics.onCollect(() => metrics.bufferItems.set({ buffer }, items()));
}

/** Current use of a connection pool. */
export interface PoolUse {
  /** Maximum number of connections. */
  readonly size: number;
  /** Running statements. */
  readonly used: number;
  /** Statements that wait for a connection. */
  readonly waiting: number;
}

/** Reports the use of a connection pool. @param pool a constant of the code: it becomes a label. */
export function watchPool(
  metrics: Pick<Metrics, "poolSize" | "poolUsed" | "poolWaiting" | "onCollect">,
  pool: string,
  use: () => PoolUse,
): void {
  metrics.onCollect(() => {
    const { size, used, waiting } = use();
    metrics.poolSize.set({ pool }, size);
    metrics.poolUsed.set({ pool }, used);
    metrics.poolWaiting.set({ pool }, waiting);
  });
}
