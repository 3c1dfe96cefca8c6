/** Metrics of the process itself: CPU time, memory, and the delay of its timers. */
import type { Metrics } from "./metrics.ts";

const LAG_INTERVAL_MS = 250;

/** Updates the metrics until the process ends. */
export function measureRuntime(metrics: Metrics, version: string): void {
  metrics.build.set({ version }, 1);
  metrics.startTime.set(Math.round(Date.now() - process.uptime() * 1_000) / 1_000);
  let countedSeconds = 0;
  metrics.onCollect(() => {
    const { rss, heapUsed, heapTotal } = process.memoryUsage();
    metrics.residentMemory.set(rss);
    metrics.heapUsed.set(heapUsed);
    metrics.heapSize.set(heapTotal);
    const { user, system } = process.cpuUsage();
    const seconds = (user + system) / 1e6;
    metrics.cpuTime.inc(seconds - countedSeconds);
    countedSeconds = seconds;
  });
  let due = performance.now() + LAG_INTERVAL_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    metrics.eventLoopLag.observe(Math.max(0, now - due) / 1_000);
    due = now + LAG_INTERVAL_MS;
  }, LAG_INTERVAL_MS);
  timer.unref();
}
