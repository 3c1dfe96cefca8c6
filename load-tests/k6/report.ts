/** Output of a script's `handleSummary`: a summary on standard output, and all metrics in the JSON file REPORT_JSON. */
import { missedThresholds, type SummaryData, summaryText, TREND_STATS } from "./summary.ts";
import { gateways, replicas } from "./target.ts";

/** Options that all scripts share. */
export const commonOptions = {
  summaryTrendStats: TREND_STATS,
  discardResponseBodies: false,
  userAgent: "lockstep-load",
};

/**
 * Makes the output.
 *
 * @param extra results of this script alone: `lines` for the summary, `result` for the JSON report.
 */
export function report(
  script: string,
  data: SummaryData,
  extra: { lines?: readonly string[]; result?: object } = {},
): Record<string, string> {
  const file = __ENV.REPORT_JSON;
  const content = {
    script,
    at: new Date().toISOString(),
    target: { gateways, replicas },
    seconds: data.state.testRunDurationMs / 1_000,
    passed: missedThresholds(data).length === 0,
    missed: missedThresholds(data),
    ...extra.result,
    metrics: data.metrics,
  };
  return {
    stdout: summaryText(script, data, extra.lines),
    ...(file ? { [file]: `${JSON.stringify(content, null, 2)}\n` } : {}),
  };
}
