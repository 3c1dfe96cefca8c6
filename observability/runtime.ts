/** What the process itself needs: time, memory, and how late its timers fire. */
import type { Metrics } from "./metrics.ts";

const LAG_EVERY_MS = 250;

/** Keeps the process' own metrics up to date until it ends. */
export function measureRuntime(metrics: Metrics, version: string): void {
  metrics.build.set({ version }, 1);
  metrics.startTime.set(Math.round(Date.now() - process.uptime() * 1_000) / 1_000);
  let counted = 0;
  metrics.onCollect(() => {
    const { rss, heapUsed, heapTotal } = process.memoryUsage();
    metrics.residentMemory.set(rss);
    metrics.heapUsed.set(heapUsed);
    metrics.heapSize.set(heapTotal);
    const { user, system } = process.cpuUsage();
    const seconds = (user + system) / 1e6;
    metrics.cpuTime.inc(seconds - counted);
    counted = seconds;
  });
  let due = performance.now() + LAG_EVERY_MS;
  const timer = setInterval(() => {
    const now = performance.now();
    metrics.eventLoopLag.observe(Math.max(0, now - due) / 1_000);
    due = now + LAG_EVERY_MS;
  }, LAG_EVERY_MS);
  timer.unref();
}
