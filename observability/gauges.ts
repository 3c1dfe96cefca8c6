/** Gauges that are read when somebody asks, rather than kept up to date: what waits in a buffer, what a pool has in use. */
import type { Metrics } from "./metrics.ts";

/** Tells how full a bounded buffer is. @param buffer its name, one of a few that the code knows. */
export function watchBuffer(
  metrics: Pick<Metrics, "bufferItems" | "bufferLimit" | "onCollect">,
  buffer: string,
  limit: number,
  items: () => number,
): void {
  metrics.bufferLimit.set({ buffer }, limit);
  metrics.onCollect(() => metrics.bufferItems.set({ buffer }, items()));
}

export interface PoolUse {
  /** Most connections. */
  readonly size: number;
  /** Statements that run. */
  readonly used: number;
  /** Statements that have no connection yet. */
  readonly waiting: number;
}

/** Tells what a pool has in use. @param pool its name, one of a few that the code knows. */
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
