/**
 * The text formats of /metrics. prom-client's own formatter is not used: a registry has one format, it renames counters
 * permanently when the format changes, and only one of the formats has exemplars.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 * @see https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
 */

/** One value of a metric. */
export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Name of the sample if it differs from the family's: with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
  readonly exemplar?: {
    readonly labelSet: Readonly<Record<string, string>>;
    readonly value: number;
    /** Seconds since 1970. */
    readonly timestamp: number;
  } | null;
}

/** One metric with its values, as prom-client's registry returns it. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly values: readonly Sample[];
}

/** A text format. Only OpenMetrics has exemplars. */
export type ExpositionFormat = "prometheus" | "openmetrics";

/** The `Content-Type` of each format. */
export const contentTypes: Readonly<Record<ExpositionFormat, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** Selects the format for an `Accept` header. Prometheus lists OpenMetrics first if it accepts it. */
export const formatFor = (accept: string | undefined): ExpositionFormat =>
  accept?.includes("application/openmetrics-text") ? "openmetrics" : "prometheus";

/** Formats the families that have values. */
export function expositionOf(families: readonly Family[], format: ExpositionFormat): string {
  const blocks = families.filter(({ values }) => values.length > 0).map((family) => familyText(family, format));
  return `${blocks.join("\n")}\n${format === "openmetrics" ? "# EOF\n" : ""}`;
}

function familyText({ name, help, type, values }: Family, format: ExpositionFormat): string {
  // In OpenMetrics the family of a counter has no `_total`; its samples have it.
  const family = format === "openmetrics" && type === "counter" ? name.replace(/_total$/, "") : name;
  return [
    `# HELP ${family} ${escaped(help)}`,
    `# TYPE ${family} ${type}`,
    ...values.map((sample) => sampleText(sample, name, format)),
  ].join("\n");
}

function sampleText({ labels, value, metricName, exemplar }: Sample, name: string, format: ExpositionFormat): string {
  const line = `${metricName ?? name}${labelText(labels)} ${numberText(value)}`;
  if (format !== "openmetrics" || !exemplar) return line;
  return `${line} # ${labelText(exemplar.labelSet)} ${numberText(exemplar.value)} ${exemplar.timestamp}`;
}

function labelText(labels: Sample["labels"]): string {
  const parts = Object.entries(labels).map(
    ([label, value]) => `${label}="${escaped(String(value)).replaceAll('"', '\\"')}"`,
  );
  return parts.length > 0 ? `{${parts.join(",")}}` : "";
}

const escaped = (text: string): string => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");

const numberText = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value);
