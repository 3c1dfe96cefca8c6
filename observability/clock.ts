/** The time of spans. */

/**
 * `Date.now()` has a resolution of one millisecond; `performance.now()` is finer, but may drift from the system clock.
 */
let offsetMs = performance.timeOrigin;
const MAX_DRIFT_MS = 2;

/** Milliseconds since 1970, with fractions, within 2 ms of the system clock. */
export function nowMs(): number {
  const systemMs = Date.now();
  const fineMs = offsetMs + performance.now();
  if (fineMs - systemMs < MAX_DRIFT_MS && systemMs - fineMs < MAX_DRIFT_MS) return fineMs;
  offsetMs += systemMs - fineMs;
  return systemMs;
}
