/** A script's `handleSummary`: its lines on standard output, everything in the JSON file that REPORT_JSON names. */
import { missed, type SummaryData, summaryText, TREND_STATS } from "./summary.ts";
import { gateways, replicas } from "./target.ts";

/** What the options of every script have in common. */
export const common = { summaryTrendStats: TREND_STATS, discardResponseBodies: false, userAgent: "lockstep-load" };

/** @param own what this script alone has to tell: lines for people, and a value for the report. */
export function report(
  script: string,
  data: SummaryData,
  own: { lines?: readonly string[]; result?: object } = {},
): Record<string, string> {
  const file = __ENV.REPORT_JSON;
  const content = {
    script,
    at: new Date().toISOString(),
    target: { gateways, replicas },
    seconds: data.state.testRunDurationMs / 1_000,
    passed: missed(data).length === 0,
    missed: missed(data),
    ...own.result,
    metrics: data.metrics,
  };
  return {
    stdout: summaryText(script, data, own.lines),
    ...(file ? { [file]: `${JSON.stringify(content, null, 2)}\n` } : {}),
  };
}
