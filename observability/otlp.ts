/**
 * Metrics in the OpenTelemetry protocol, as JSON over HTTP. Spans use OpenTelemetry's SDK, metrics do not: the SDK's
 * data points have no exemplars, which link a latency to its trace.
 *
 * @see https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 * @see https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto
 */

const TIMEOUT_MS = 5_000;

/** A collector. */
export interface OtlpEndpoint {
  /** Base URL, without `/v1/traces` or `/v1/metrics`. */
  readonly url: string;
  /** Headers of each request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** URL for one kind of data (OpenTelemetry protocol exporter, "Endpoint URLs for OTLP/HTTP"). */
export const signalUrl = ({ url }: OtlpEndpoint, signal: "traces" | "metrics"): string =>
  `${url.replace(/\/$/, "")}/v1/${signal}`;

/** Sends one message. @throws {Error} when the collector rejects it, cannot be reached, or takes longer than 5 s. */
export async function sendMetrics(endpoint: OtlpEndpoint, message: unknown): Promise<void> {
  const response = await fetch(signalUrl(endpoint, "metrics"), {
    method: "POST",
    headers: { ...endpoint.headers, "content-type": "application/json" },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause) => {
    throw new Error(`the collector does not respond: ${cause instanceof Error ? cause.message : cause}`, { cause });
  });
  const body = await response.text().catch(() => "");
  if (!response.ok) throw new Error(`the collector responded with status ${response.status}: ${body.slice(0, 200)}`);
}

/** Attributes of a resource or a data point. */
export type Attributes = Readonly<Record<string, string | number>>;

/** A Resource message. */
export const resourceOf = (attributes: Attributes) => ({ attributes: attributesOf(attributes) });

/** KeyValue messages. */
export const attributesOf = (attributes: Attributes): { key: string; value: object }[] =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));

function anyValue(value: string | number): object {
  if (typeof value === "string") return { stringValue: value };
  // Protobuf's JSON encoding writes 64-bit integers as strings.
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/**
 * Nanoseconds since 1970, as text because a number has too few digits.
 *
 * @param ms milliseconds since 1970, with fractions.
 */
export function nanoseconds(ms: number): string {
  const whole = Math.floor(ms);
  return `${whole}${String(Math.floor((ms - whole) * 1e6)).padStart(6, "0")}`;
}
