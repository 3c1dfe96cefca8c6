/** Queries to Prometheus, as Grafana sends them. */
import type { Panel } from "../../observability/grafana/panel.ts";

/** A series of an instant query. */
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

/** Runs an instant query. @throws {Error} with Prometheus' message when it rejects the query. */
export async function queryPrometheus(prometheus: string, query: string): Promise<Series[]> {
  const response = await fetch(`${prometheus}/api/v1/query`, { method: "POST", body: new URLSearchParams({ query }) });
  const answer = (await response.json()) as QueryResponse;
  if (answer.status !== "success") throw new Error(`${query}: ${answer.error}`);
  return answer.data.result.map(({ metric, value }) => ({ metric, value: Number(value[1]) }));
}

/** Replaces variables as Grafana does: with the given value or `.+`; `$__rate_interval` with 20 s, four scrapes. */
export const expandVariables = (expr: string, variables: Readonly<Record<string, string>> = {}): string =>
  expr.replace(/\$(\w+)/g, (_, name: string) => (name === "__rate_interval" ? "20s" : (variables[name] ?? ".+")));

/** Returns the queries of a panel without any finite value, each with its result. */
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

/** Returns the firing alerts with their labels and annotations. */
export async function firingAlerts(prometheus: string) {
  const answer = (await (await fetch(`${prometheus}/api/v1/alerts`)).json()) as {
    data: { alerts: { labels: Record<string, string>; annotations: Record<string, string>; state: string }[] };
  };
  return answer.data.alerts.filter(({ state }) => state === "firing");
}

/** Returns the exemplars of the last five minutes for all series of a query. */
export async function queryExemplars(prometheus: string, query: string) {
  const now = Date.now() / 1_000;
  const body = new URLSearchParams({ query, start: String(now - 300), end: String(now) });
  const response = await fetch(`${prometheus}/api/v1/query_exemplars`, { method: "POST", body });
  const answer = (await response.json()) as {
    data: { exemplars: { labels: Record<string, string>; value: string }[] }[];
  };
  return answer.data.flatMap(({ exemplars }) => exemplars);
}
