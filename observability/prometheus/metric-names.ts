/** The metrics of a query, so that a test finds names that no program reports. */
import { metrics } from "../../contracts/metrics.ts";
import { externalMetrics } from "./external-metrics.ts";

const KEYWORDS = new Set([
  "and",
  "or",
  "unless",
  "offset",
  "by",
  "without",
  "on",
  "ignoring",
  "group_left",
  "bool",
  "inf",
]);

/** Names of the metrics in a PromQL expression, without functions, labels and keywords. */
export function metricNamesIn(expr: string): string[] {
  const bare = expr
    .replace(/"(?:[^"\\]|\\.)*"/g, "")
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, "")
    .replace(/\b(by|without|on|ignoring|group_left)\s*\([^)]*\)/g, "")
    .replace(/\boffset\s+\w+/g, "");
  const words = bare.match(/(?<![\w.:])[a-zA-Z_:][\w:]*(?!\w*\s*\()/g) ?? [];
  return [...new Set(words.filter((word) => !KEYWORDS.has(word)))];
}

/** All series names of our own metrics. A histogram has three. */
export const ownMetricNames: ReadonlySet<string> = new Set(
  Object.values(metrics).flatMap(({ name, kind }) =>
    kind === "histogram" ? ["bucket", "count", "sum"].map((part) => `${name}_${part}`) : [name],
  ),
);

/** All series names of other programs. */
export const externalMetricNames: ReadonlySet<string> = new Set(Object.values(externalMetrics));
