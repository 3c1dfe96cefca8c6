/** The summary that a run prints at its end, from the data that k6 passes to `handleSummary`. Pure. */

/** A metric of k6, or the part of one with some tags: `sync_latency{replica:catalog,store:redis}`. */
export interface Metric {
  readonly type: "trend" | "rate" | "counter" | "gauge";
  readonly contains: string;
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

/** The members of k6's data that are used here. */
export interface SummaryData {
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly state: { readonly testRunDurationMs: number };
}

/** Statistics of every trend: value of k6's option `summaryTrendStats`. */
export const TREND_STATS = ["count", "avg", "min", "p(50)", "p(95)", "p(99)", "max"];

const COLUMNS = ["avg", "p(50)", "p(95)", "p(99)", "max"] as const;

/** Metrics of k6 itself that are printed. All metrics of our scripts are printed. */
const PRINTED_K6_METRICS = [
  "http_req_duration",
  "http_req_failed",
  "checks",
  "iterations",
  "iteration_duration",
  "dropped_iterations",
  "vus",
];

/** Name and tag values without punctuation: `sync_latency catalog redis`. */
const labelOf = (name: string): string =>
  name.replace(
    /\{(.*)\}$/,
    (_, tags: string) =>
      ` ${tags
        .split(",")
        .map((tag) => tag.slice(tag.indexOf(":") + 1))
        .join(" ")}`,
  );

const ms = (value: number | undefined): string => (value === undefined ? "" : value.toFixed(1));

const columns = (rows: readonly (readonly string[])[]): string[] => {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => (row[i] ?? "").length))) ?? [];
  return rows.map((row) =>
    `  ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join("  ")}`.trimEnd(),
  );
};

const isPrinted = (name: string): boolean => {
  if (name.includes("{expected_response:") || /_at_(least|most)\{|scenario:rate_/.test(name)) return false;
  const base = name.replace(/\{.*/, "");
  return PRINTED_K6_METRICS.includes(base) || !/^(http_req|data|group|vus|iteration)/.test(base);
};

const trendTable = (metrics: [string, Metric][]): string[] => {
  const printed = metrics.filter(
    ([name, { type, values }]) => type === "trend" && isPrinted(name) && (values.count ?? 1) > 0,
  );
  if (printed.length === 0) return [];
  return columns([
    ["milliseconds", "count", ...COLUMNS],
    ...printed.map(([name, { values }]) => [
      labelOf(name),
      String(values.count ?? ""),
      ...COLUMNS.map((c) => ms(values[c])),
    ]),
  ]);
};

const ratesAndCounters = (metrics: [string, Metric][]): string[] =>
  columns(
    metrics.flatMap(([name, { type, values }]): string[][] => {
      if (!isPrinted(name)) return [];
      if (type === "rate")
        return [
          [
            labelOf(name),
            `${((values.rate ?? 0) * 100).toFixed(2)} %`,
            `${values.passes} of ${(values.passes ?? 0) + (values.fails ?? 0)}`,
          ],
        ];
      return type === "counter" ? [[labelOf(name), String(values.count), `${(values.rate ?? 0).toFixed(1)}/s`]] : [];
    }),
  );

/** All thresholds that do not hold, as text. */
export const missedThresholds = ({ metrics }: SummaryData): string[] =>
  Object.entries(metrics).flatMap(([name, { thresholds }]) =>
    Object.entries(thresholds ?? {})
      .filter(([, { ok }]) => !ok)
      .map(([condition]) => `${labelOf(name)}: ${condition}`),
  );

/**
 * The summary as text.
 *
 * @param extraLines lines of this script alone. They replace the list of thresholds, because its thresholds only end
 *   the run.
 */
export function summaryText(script: string, data: SummaryData, extraLines: readonly string[] = []): string {
  const sorted = Object.entries(data.metrics).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    "",
    `${script}: ${(data.state.testRunDurationMs / 1_000).toFixed(1)} s`,
    ...trendTable(sorted),
    ...ratesAndCounters(sorted),
    ...(extraLines.length > 0 ? extraLines : verdict(data)),
    "",
  ].join("\n");
}

function verdict(data: SummaryData): string[] {
  const conditions = Object.values(data.metrics).flatMap(({ thresholds }) => Object.keys(thresholds ?? {})).length;
  const failed = missedThresholds(data);
  return failed.length === 0
    ? [`all ${conditions} thresholds hold`]
    : [`${failed.length} of ${conditions} thresholds missed:`, ...failed.map((line) => `  ${line}`)];
}
