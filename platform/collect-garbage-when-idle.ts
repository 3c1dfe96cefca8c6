/**
 * Returns memory to the operating system after a burst of work: the engine itself keeps its heap for the next burst.
 */

const INTERVAL_MS = 500;
/** CPU use as a share of one core. The limits are low because on a busy machine no service ever has half a core. */
const BUSY_SHARE = 0.2;
const IDLE_SHARE = 0.1;
/** Smaller processes are not worth a collection. */
const MIN_RESIDENT_BYTES = 100 * 1024 * 1024;
/** Consecutive samples (two seconds) that make a burst or an idle time, so that a fluctuating load is neither. */
const CONSECUTIVE_SAMPLES = 4;

/** Samples the CPU use, and collects garbage once after each burst, when the process has been idle for two seconds. */
export function collectGarbageWhenIdle(): void {
  let cpu = process.cpuUsage();
  let busySamples = 0;
  let idleSamples = 0;
  let hadBurst = false;
  const timer = setInterval(() => {
    const used = process.cpuUsage(cpu);
    cpu = process.cpuUsage();
    const share = (used.user + used.system) / 1_000 / INTERVAL_MS;
    busySamples = share > BUSY_SHARE ? busySamples + 1 : 0;
    idleSamples = share < IDLE_SHARE ? idleSamples + 1 : 0;
    hadBurst ||= busySamples >= CONSECUTIVE_SAMPLES;
    if (!hadBurst || idleSamples < CONSECUTIVE_SAMPLES || process.memoryUsage.rss() < MIN_RESIDENT_BYTES) return;
    hadBurst = false;
    Bun.gc(true);
  }, INTERVAL_MS);
  timer.unref();
}
