/** Which metrics a query asks for, so that a test can tell names that nobody reports. */
import { metrics } from "../../contracts/metrics.ts";
import { externalMetrics } from "./external-metrics.ts";

const WORDS = new Set([
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

/** Names of metrics in a PromQL expression; functions, labels and numbers are none. */
export function metricNamesIn(expr: string): string[] {
  const bare = expr
    .replace(/"(?:[^"\\]|\\.)*"/g, "")
    .replace(/\{[^}]*\}|\[[^\]]*\]/g, "")
    .replace(/\b(by|without|on|ignoring|group_left)\s*\([^)]*\)/g, "")
    .replace(/\boffset\s+\w+/g, "");
  const words = bare.match(/(?<![\w.:])[a-zA-Z_:][\w:]*(?!\w*\s*\()/g) ?? [];
  return [...new Set(words.filter((word) => !WORDS.has(word)))];
}

/** Every series name that our own metrics have: a histogram has three. */
export const ownMetricNames: ReadonlySet<string> = new Set(
  Object.values(metrics).flatMap(({ name, kind }) =>
    kind === "histogram" ? ["bucket", "count", "sum"].map((part) => `${name}_${part}`) : [name],
  ),
);

export const externalMetricNames: ReadonlySet<string> = new Set(Object.values(externalMetrics));
