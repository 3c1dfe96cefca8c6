import { expect, test } from "bun:test";
import { type Metric, missedThresholds, type SummaryData, summaryText } from "./summary.ts";

const trend = (p95: number, thresholds?: Metric["thresholds"]): Metric => ({
  type: "trend",
  contains: "time",
  values: { count: 12, avg: 4.04, "p(50)": 4, "p(95)": p95, "p(99)": 20, max: 21 },
  ...(thresholds ? { thresholds } : {}),
});
const data = (metrics: SummaryData["metrics"]): SummaryData => ({ metrics, state: { testRunDurationMs: 8_040 } });

test("the summary has a row for each tagged part of a trend, and rates as percentages", () => {
  const text = summaryText(
    "smoke",
    data({
      "sync_latency{replica:catalog,store:redis}": trend(9.26),
      http_req_failed: { type: "rate", contains: "default", values: { rate: 0.25, passes: 1, fails: 3 } },
      http_req_sending: trend(1),
    }),
  );
  expect(text).toContain("smoke: 8.0 s");
  expect(text).toMatch(/^ {2}sync_latency catalog redis +12 +4\.0 +4\.0 +9\.3 +20\.0 +21\.0$/m);
  expect(text).toMatch(/^ {2}http_req_failed +25\.00 % +1 of 4$/m);
  expect(text).not.toContain("http_req_sending");
  expect(text).toContain("all 0 thresholds hold");
});

test("a missed threshold is listed with its metric", () => {
  const conditions = { "p(95)<9": { ok: false }, "p(99)<50": { ok: true } };
  const run = data({ "sync_latency{replica:catalog,store:redis}": trend(9.26, conditions) });
  expect(missedThresholds(run)).toEqual(["sync_latency catalog redis: p(95)<9"]);
  expect(summaryText("smoke", run)).toContain("1 of 2 thresholds missed:\n  sync_latency catalog redis: p(95)<9");
});
