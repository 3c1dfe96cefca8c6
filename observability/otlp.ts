/**
 * Messages of the OpenTelemetry protocol as JSON over HTTP. JSON and HTTP are the engine's own here: OpenTelemetry's exporter, with its protobuf
 * and its requests in JavaScript, took 40 µs for each span until it was compiled, which is the first minutes of a process.
 *
 * @see https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 * @see https://github.com/open-telemetry/opentelemetry-proto/tree/main/opentelemetry/proto
 */

const TIMEOUT_MS = 5_000;
/** Answers after which the same message may be taken (OTLP, "Retryable Response Codes"). */
const LATER = [429, 502, 503, 504];

/** Nobody took a message. */
export class NotTakenError extends Error {
  override readonly name = "NotTakenError";

  /** @param again whether it may be taken when it is sent again. */
  constructor(
    message: string,
    readonly again: boolean,
    cause?: unknown,
  ) {
    super(message, { cause });
  }
}

export interface OtlpEndpoint {
  /** Base URL; `/v1/traces` and the like are appended (OpenTelemetry protocol exporter, "Endpoint URLs for OTLP/HTTP"). */
  readonly url: string;
  /** Sent with each request. */
  readonly headers: Readonly<Record<string, string>>;
}

/** Sends one message, for 5 seconds at most. @throws {NotTakenError} */
export async function sendOtlp(
  { url, headers }: OtlpEndpoint,
  signal: "traces" | "metrics",
  message: unknown,
): Promise<void> {
  const response = await fetch(`${url.replace(/\/$/, "")}/v1/${signal}`, {
    method: "POST",
    headers: { ...headers, "content-type": "application/json" },
    body: JSON.stringify(message),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).catch((cause) => {
    throw new NotTakenError(
      `the collector does not answer: ${cause instanceof Error ? cause.message : cause}`,
      true,
      cause,
    );
  });
  const answer = await response.text().catch(() => "");
  if (!response.ok)
    throw new NotTakenError(
      `the collector says ${response.status}: ${answer.slice(0, 200)}`,
      LATER.includes(response.status),
    );
}

export type AttributeValue = string | number | boolean | undefined | readonly AttributeValue[];
export type Attributes = Readonly<Record<string, AttributeValue>>;

export const resourceOf = (attributes: Attributes) => ({ attributes: attributesOf(attributes) });

/** Attributes without a value are left out. */
export function attributesOf(attributes: Attributes): { key: string; value: object }[] {
  const list: { key: string; value: object }[] = [];
  for (const key in attributes) {
    const value = attributes[key];
    if (value !== undefined) list.push({ key, value: anyValue(value) });
  }
  return list;
}

function anyValue(value: NonNullable<AttributeValue>): object {
  switch (typeof value) {
    case "string":
      return { stringValue: value };
    case "boolean":
      return { boolValue: value };
    case "number":
      // Integers have 64 bits, and travel as text.
      return Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value };
    default:
      return { arrayValue: { values: value.map((one) => anyValue(one ?? "")) } };
  }
}

/** Nanoseconds since 1970 as text: more digits than a number has. @param ms milliseconds since 1970, with fractions. */
export function nanoseconds(ms: number): string {
  const whole = Math.floor(ms);
  return `${whole}${String(Math.floor((ms - whole) * 1e6)).padStart(6, "0")}`;
}
