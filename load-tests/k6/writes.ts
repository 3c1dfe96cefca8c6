/** Writes to the gateway, and reads at a replica, each with the moments at which it was sent and answered. */
import { check } from "k6";
import exec from "k6/execution";
import http, { type Params, type Response } from "k6/http";
import { change, collection, newProduct } from "./product.ts";
import { credentials, gateways, oneOf, type Replica } from "./target.ts";

/** Milliseconds, with fractions where k6 has them: not in a script's teardown. Only differences mean anything. */
export function nowMs(): number {
  try {
    return exec.instance.currentTestRunDuration;
  } catch {
    return Date.now();
  }
}

export interface Timed {
  readonly response: Response;
  /** When the request was on its way, and when the answer's first byte came: what k6 itself does before and after is outside. */
  readonly sentMs: number;
  readonly answeredMs: number;
}

export async function timed(
  method: "GET" | "POST" | "PATCH" | "DELETE",
  url: string,
  body: string | null,
  params: Params,
): Promise<Timed> {
  const begun = nowMs();
  const response = await http.asyncRequest(method, url, body, params);
  const { blocked, connecting, sending, waiting } = response.timings;
  const sentMs = begun + blocked + connecting;
  return { response, sentMs, answeredMs: sentMs + sending + waiting };
}

/** An acknowledged write: this version of this entity is committed. */
export interface Written extends Omit<Timed, "response"> {
  readonly id: string;
  readonly version: number;
  readonly deleted: boolean;
  /** To be handed to a read that must not be older (`Sync-Token`). */
  readonly token: string;
}

const versionOf = ({ headers }: Response): number => Number((headers.Etag ?? "").replaceAll('"', ""));

async function write(
  method: "POST" | "PATCH" | "DELETE",
  id: string | undefined,
  body: unknown,
): Promise<Written | undefined> {
  const path = id === undefined ? `/${collection}` : `/${collection}/${id}`;
  const pattern = id === undefined ? `/${collection}` : `/${collection}/{id}`;
  const { response, sentMs, answeredMs } = await timed(
    method,
    `${oneOf(gateways)}${path}`,
    body === undefined ? null : JSON.stringify(body),
    {
      headers: { ...credentials, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      tags: { name: `${method} gateway${pattern}` },
    },
  );
  const done = check(response, { "the gateway acknowledged the write": ({ status }) => status >= 200 && status < 300 });
  if (!done) return undefined;
  const version = versionOf(response);
  const token = response.headers["Sync-Token"] ?? "";
  return { id: id ?? String(response.json("id")), version, deleted: method === "DELETE", token, sentMs, answeredMs };
}

/** Each resolves with undefined when the write was refused or not answered: the run's checks and failed requests count it. */
export const create = () => write("POST", undefined, newProduct());
export const update = (id: string) => write("PATCH", id, change());
export const remove = (id: string) => write("DELETE", id, undefined);

/** Both are answers: a replica may be on its way. */
const thereOrNot = http.expectedStatuses(200, 404);

export interface Read extends Timed {
  /** 0 when there is nothing of this id. */
  readonly version: number;
  /** Answered from the cache (`Cache-Status`, RFC 9211), also that there is nothing. */
  readonly hit: boolean;
  /** This replica has no cache at all. */
  readonly cacheless: boolean;
  /** 200 or 404. */
  readonly known: boolean;
}

export async function readOne(
  { name, urls }: Replica,
  id: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Read> {
  const answer = await timed("GET", `${oneOf(urls)}/${collection}/${id}`, null, {
    headers,
    responseCallback: thereOrNot,
    tags: { name: `GET ${name}/${collection}/{id}` },
  });
  const { status, headers: answered } = answer.response;
  const cacheStatus = answered["Cache-Status"] ?? "";
  return {
    ...answer,
    version: status === 200 ? versionOf(answer.response) : 0,
    hit: /;\s*hit\b/.test(cacheStatus),
    cacheless: cacheStatus.includes("detail=not-configured"),
    known: status === 200 || status === 404,
  };
}

export async function list({ name, urls }: Replica): Promise<boolean> {
  const { response } = await timed("GET", `${oneOf(urls)}/${collection}?limit=20`, null, {
    tags: { name: `GET ${name}/${collection}` },
  });
  return response.status === 200;
}
