/** What a run prints at its end, and the JSON report: made of what k6 hands to `handleSummary`. Pure. */

/** As k6 gives a metric, or a part of one by tags: `sync_latency{replica:catalog,store:redis}`. */
export interface Metric {
  readonly type: "trend" | "rate" | "counter" | "gauge";
  readonly contains: string;
  readonly values: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

export interface SummaryData {
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly state: { readonly testRunDurationMs: number };
}

/** Statistics of every trend; k6's option `summaryTrendStats`. */
export const TREND_STATS = ["count", "avg", "min", "p(50)", "p(95)", "p(99)", "max"];

const COLUMNS = ["avg", "p(50)", "p(95)", "p(99)", "max"] as const;

/** What was measured by hand is what the run is about; of k6's own metrics these. */
const OWN = [
  "http_req_duration",
  "http_req_failed",
  "checks",
  "iterations",
  "iteration_duration",
  "dropped_iterations",
  "vus",
];

/** The name, and the tags that make a part of it, without k6's own punctuation: `sync_latency catalog redis`. */
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

const isTold = (name: string): boolean => {
  if (name.includes("{expected_response:") || /_at_(least|most)\{|scenario:rate_/.test(name)) return false;
  const base = name.replace(/\{.*/, "");
  return OWN.includes(base) || !/^(http_req|data|group|vus|iteration)/.test(base);
};

const trends = (metrics: [string, Metric][]): string[] => {
  const found = metrics.filter(
    ([name, { type, values }]) => type === "trend" && isTold(name) && (values.count ?? 1) > 0,
  );
  if (found.length === 0) return [];
  return columns([
    ["milliseconds", "count", ...COLUMNS],
    ...found.map(([name, { values }]) => [
      labelOf(name),
      String(values.count ?? ""),
      ...COLUMNS.map((c) => ms(values[c])),
    ]),
  ]);
};

const others = (metrics: [string, Metric][]): string[] =>
  columns(
    metrics.flatMap(([name, { type, values }]): string[][] => {
      if (!isTold(name)) return [];
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

/** Every condition that does not hold, in words. */
export const missed = ({ metrics }: SummaryData): string[] =>
  Object.entries(metrics).flatMap(([name, { thresholds }]) =>
    Object.entries(thresholds ?? {})
      .filter(([, { ok }]) => !ok)
      .map(([condition]) => `${labelOf(name)}: ${condition}`),
  );

/**
 * @param own lines of this script alone; they stand in place of the thresholds where those only end a run.
 * @returns what is printed.
 */
export function summaryText(script: string, data: SummaryData, own: readonly string[] = []): string {
  const sorted = Object.entries(data.metrics).sort(([a], [b]) => (a < b ? -1 : 1));
  return [
    "",
    `${script}: ${(data.state.testRunDurationMs / 1_000).toFixed(1)} s`,
    ...trends(sorted),
    ...others(sorted),
    ...(own.length > 0 ? own : verdict(data)),
    "",
  ].join("\n");
}

function verdict(data: SummaryData): string[] {
  const conditions = Object.values(data.metrics).flatMap(({ thresholds }) => Object.keys(thresholds ?? {})).length;
  const failed = missed(data);
  return failed.length === 0
    ? [`all ${conditions} thresholds hold`]
    : [`${failed.length} of ${conditions} thresholds missed:`, ...failed.map((line) => `  ${line}`)];
}
