/** Times as OpenTelemetry's exporters take them. */

/** @param ms milliseconds, since 1970 or of a duration, with fractions. */
export function timeOf(ms: number): [seconds: number, nanoseconds: number] {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}
