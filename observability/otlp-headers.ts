/** `name=value` pairs, separated by commas, values percent-encoded (OpenTelemetry protocol exporter, "Specifying headers via environment variables"). */
export function headersOf(list: string | undefined): Record<string, string> {
  const pairs = list ? list.split(",") : [];
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf("=");
      return [pair.slice(0, at).trim(), decoded(pair.slice(at + 1).trim())];
    }),
  );
}

/** What is not percent-encoded after all is taken as it is. */
function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return value;
  }
}
