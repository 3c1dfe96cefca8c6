/**
 * The text that is scraped. prom-client's own is not used: it has one format per registry, renames its counters for good when it
 * tells them in the other one, and only one of the two has exemplars.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 * @see https://github.com/prometheus/OpenMetrics/blob/main/specification/OpenMetrics.md
 */

export interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  /** Where it differs from the family's: with `_bucket`, `_sum` or `_count`. */
  readonly metricName?: string;
  readonly exemplar?: {
    readonly labelSet: Readonly<Record<string, string>>;
    readonly value: number;
    /** Seconds since 1970. */
    readonly timestamp: number;
  } | null;
}

/** One metric with its values, as prom-client's registry gives it. */
export interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "histogram";
  readonly values: readonly Sample[];
}

export type Format = "prometheus" | "openmetrics";

export const contentTypes: Readonly<Record<Format, string>> = {
  prometheus: "text/plain; version=0.0.4; charset=utf-8",
  openmetrics: "application/openmetrics-text; version=1.0.0; charset=utf-8",
};

/** What a scraper's `Accept` header asks for. Prometheus names OpenMetrics first where it takes it at all. */
export const formatFor = (accept: string | undefined): Format =>
  accept?.includes("application/openmetrics-text") ? "openmetrics" : "prometheus";

/** Families without a value are left out. */
export function expositionOf(families: readonly Family[], format: Format): string {
  const told = families.filter(({ values }) => values.length > 0).map((family) => linesOf(family, format));
  return `${told.join("\n")}\n${format === "openmetrics" ? "# EOF\n" : ""}`;
}

function linesOf({ name, help, type, values }: Family, format: Format): string {
  // In OpenMetrics a counter's family lacks the ending that its samples have.
  const family = format === "openmetrics" && type === "counter" ? name.replace(/_total$/, "") : name;
  return [
    `# HELP ${family} ${escaped(help)}`,
    `# TYPE ${family} ${type}`,
    ...values.map((sample) => lineOf(sample, name, format)),
  ].join("\n");
}

function lineOf({ labels, value, metricName, exemplar }: Sample, name: string, format: Format): string {
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
