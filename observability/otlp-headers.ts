/**
 * Parses OTEL_EXPORTER_OTLP_HEADERS: `name=value` pairs, separated by commas, values percent-encoded.
 *
 * @see https://opentelemetry.io/docs/specs/otel/protocol/exporter/#specifying-headers-via-environment-variables
 */
export function headersOf(list: string | undefined): Record<string, string> {
  const pairs = list ? list.split(",") : [];
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())];
    }),
  );
}

/** A value that is not valid percent-encoding stays as it is. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
