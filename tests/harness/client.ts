/** HTTP requests to the gateway and the replicas, as a client sends them. */
import { eventually } from "./eventually.ts";

/** A response with its JSON body; `{}` when the body is empty. */
export interface JsonResponse {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** `fetch`, or `app.request` of a Hono app. */
export type FetchFunction = (url: string, init?: RequestInit) => Response | Promise<Response>;

/** Returns a function that sends a JSON request and parses the response. It throws after 20 s without response. */
export const requestWith =
  (send: FetchFunction) =>
  async (method: string, url: string, body?: unknown, headers: Record<string, string> = {}): Promise<JsonResponse> => {
    const response = await send(url, {
      method,
      signal: AbortSignal.timeout(20_000),
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text ? JSON.parse(text) : {} };
  };

/** Sends a JSON request over the network. */
export const request = requestWith(fetch);

/** Waits until a replica answers with `version` or a newer one. @returns that response. @throws {Error} after `timeoutMs`. */
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

/** Waits until a replica answers 404 for an entity. @throws {Error} after `timeoutMs`. */
export const untilGone = (replicaUrl: string, id: string, timeoutMs = 10_000): Promise<unknown> =>
  eventually(async () => (await request("GET", `${replicaUrl}/products/${id}`)).status === 404, {
    timeoutMs,
    what: `${id} to be absent from ${replicaUrl}`,
    everyMs: 5,
  });

/** Sums the series of a metric whose labels match, from a service's /metrics. 0 when there is none. */
export async function metric(serviceUrl: string, name: string, labels: Record<string, string> = {}): Promise<number> {
  const text = await (await fetch(`${serviceUrl}/metrics`)).text();
  return text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `))
    .filter((line) => Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}
