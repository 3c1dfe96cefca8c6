/**
 * Messages of metrics in the OpenTelemetry protocol, as JSON over HTTP. OpenTelemetry's SDK is not used for them as it is for spans: its
 * data points have no exemplars, which lead from a latency to its trace.
 *
 * @see https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 * @see https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto
 */

const TIMEOUT_MS = 5_000;

export interface OtlpEndpoint {
  /** Base URL; `/v1/traces` and the like are appended (OpenTelemetry protocol exporter, "Endpoint URLs for OTLP/HTTP"). */
  readonly url: string;
  /** Sent with each request. */
  readonly headers: Readonly<Record<string, string>>;
}

export const urlOf = ({ url }: OtlpEndpoint, signal: "traces" | "metrics"): string =>
  `${url.replace(/\/$/, "")}/v1/${signal}`;

/** Sends one message, for 5 seconds at most. @throws {Error} that says why nobody took it. */
export async function sendMetrics(endpoint: OtlpEndpoint, message: unknown): Promise<void> {
  const response = await fetch(urlOf(endpoint, "metrics"), {
    method: "POST",
    headers: { ...endpoint.headers, "content-type": "application/json" },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause) => {
    throw new Error(`the collector does not answer: ${cause instanceof Error ? cause.message : cause}`, { cause });
  });
  const answer = await response.text().catch(() => "");
  if (!response.ok) throw new Error(`the collector says ${response.status}: ${answer.slice(0, 200)}`);
}

export type Attributes = Readonly<Record<string, string | number>>;

export const resourceOf = (attributes: Attributes) => ({ attributes: attributesOf(attributes) });

export const attributesOf = (attributes: Attributes): { key: string; value: object }[] =>
  Object.entries(attributes).map(([key, value]) => ({ key, value: anyValue(value) }));

function anyValue(value: string | number): object {
  if (typeof value === "string") return { stringValue: value };
  // Integers have 64 bits, and travel as text.
  return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
}

/** Nanoseconds since 1970 as text: more digits than a number has. @param ms milliseconds since 1970, with fractions. */
export function nanoseconds(ms: number): string {
  const whole = Math.floor(ms);
  return `${whole}${String(Math.floor((ms - whole) * 1e6)).padStart(6, "0")}`;
}
