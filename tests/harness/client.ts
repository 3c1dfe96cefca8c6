/** Requests as a client of the gateway and the replicas makes them. */
import { eventually } from "./eventually.ts";

export interface JsonResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export type FetchFunction = (url: string, init?: RequestInit) => Response | Promise<Response>;

export const requestWith =
  (ask: FetchFunction) =>
  async (method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<JsonResponse> => {
    const response = await ask(url, {
      method,
      signal: AbortSignal.timeout(20_000),
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : {} };
  };

export const request = requestWith(fetch);

/** Waits until a replica answers with at least this version. @returns the answer that did. */
export const untilVisible = (
  replicaUrl: string,
  id: string,
  version: number,
  timeoutMs = 10_000,
): Promise<JsonResponse> =>
  eventually(
    async () => {
      const answer = await request("GET", `${replicaUrl}/products/${id}`);
      if (answer.status === 200 && (answer.body.version as number) >= version) return answer;
      throw new Error(`${answer.status} ${JSON.stringify(answer.body)}`);
    },
    { timeoutMs, what: `${id} at version ${version} in ${replicaUrl}`, everyMs: 5 },
  );

/** Waits until a replica does not have an entity. */
export const untilGone = (replicaUrl: string, id: string, timeoutMs = 10_000): Promise<unknown> =>
  eventually(async () => (await request("GET", `${replicaUrl}/products/${id}`)).status === 404, {
    timeoutMs,
    what: `${id} to be gone from ${replicaUrl}`,
    everyMs: 5,
  });

/** Sum of a metric over its labels that match, from a service's /metrics; 0 when it is not there yet. */
export async function metric(serviceUrl: string, name: string, labels: Record<string, string> = {}): Promise<number> {
  const text = await (await fetch(`${serviceUrl}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
