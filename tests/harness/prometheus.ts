/** Questions to a real Prometheus, as Grafana asks them. */
import type { Panel } from "../../observability/grafana/panel.ts";

export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  /** Newest value. */
  readonly value: number;
}

interface QueryResponse {
  readonly status: string;
  readonly error?: string;
  readonly data: { readonly result: readonly { metric: Record<string, string>; value: [number, string] }[] };
}

/** @throws {Error} with Prometheus' words when it does not take the query. */
export async function queryPrometheus(prometheus: string, query: string): Promise<Series[]> {
  const response = await fetch(`${prometheus}/api/v1/query`, { method: "POST", body: new URLSearchParams({ query }) });
  const answer = (await response.json()) as QueryResponse;
  if (answer.status !== "success") throw new Error(`${query}: ${answer.error}`);
  return answer.data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

/** What Grafana puts in for a dashboard's choices: everything, or the value that is given, and four scrapes for a rate's window. */
export const expandVariables = (expr: string, variables: Readonly<Record<string, string>> = {}): string =>
  expr.replace(/\$(\w+)/g, (_, name: string) => (name === "__rate_interval" ? "20s" : (variables[name] ?? ".+")));

/** Queries of a panel that have no value, or none that is a number, with what was answered. */
export async function findQueriesWithoutData(
  prometheus: string,
  panel: Panel,
  variables: Readonly<Record<string, string>>,
): Promise<string[]> {
  const missing: string[] = [];
  for (const { expr } of panel.queries) {
    const series = await queryPrometheus(prometheus, expandVariables(expr, variables));
    if (!series.some(({ value }) => Number.isFinite(value)))
      missing.push(`${panel.title}: ${expandVariables(expr, variables)} → ${JSON.stringify(series)}`);
  }
  return missing;
}

/** Names of the alerts that fire now, each with its labels and annotations. */
export async function firingAlerts(prometheus: string) {
  const answer = (await (await fetch(`${prometheus}/api/v1/alerts`)).json()) as {
    data: { alerts: { labels: Record<string, string>; annotations: Record<string, string>; state: string }[] };
  };
  return answer.data.alerts.filter(({ state }) => state === "firing");
}

/** Observations that name a trace, of the last minutes, of all series that a query asks for. */
export async function queryExemplars(prometheus: string, query: string) {
  const now = Date.now() / 1_000;
  const body = new URLSearchParams({ query, start: String(now - 300), end: String(now) });
  const response = await fetch(`${prometheus}/api/v1/query_exemplars`, { method: "POST", body });
  const answer = (await response.json()) as {
    data: { exemplars: { labels: Record<string, string>; value: string }[] }[];
  };
  return answer.data.flatMap(({ exemplars }) => exemplars);
}
