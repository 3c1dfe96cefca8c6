/** Writes at the gateway and reads at a replica, each with the times of its request and response. */
import { check } from "k6";
import exec from "k6/execution";
import http, { type Params, type Response } from "k6/http";
import { credentials, gateways, nextOf, type Replica } from "./target.ts";
import { change, collection, newDocument } from "./workload.ts";

/** A time in milliseconds, for differences only. It has fractions, except in a script's teardown. */
export function nowMs(): number {
  try {
    return exec.instance.currentTestRunDuration;
  } catch {
    return Date.now();
  }
}

/** A response and its times, as {@link nowMs}. */
export interface TimedResponse {
  readonly response: Response;
  /** When the connection was ready to send. Time that k6 needs before and after the request does not count. */
  readonly sentMs: number;
  /** When the first byte of the response arrived. */
  readonly receivedMs: number;
}

/** Sends a request and computes its times from k6's timings. */
async function timedRequest(
  method: "GET" | "POST" | "PATCH" | "DELETE",
  url: string,
  body: string | null,
  params: Params,
): Promise<TimedResponse> {
  const startedMs = nowMs();
  const response = await http.asyncRequest(method, url, body, params);
  const { blocked, connecting, sending, waiting } = response.timings;
  const sentMs = startedMs + blocked + connecting;
  return { response, sentMs, receivedMs: sentMs + sending + waiting };
}

/** A write that the gateway has acknowledged as committed. */
export interface AcknowledgedWrite extends Omit<TimedResponse, "response"> {
  readonly id: string;
  readonly version: number;
  readonly deleted: boolean;
  /** `Sync-Token` for reads that must not be older than this write. */
  readonly token: string;
}

const versionOf = ({ headers }: Response): number => Number((headers.Etag ?? "").replaceAll('"', ""));

async function write(
  method: "POST" | "PATCH" | "DELETE",
  id: string | undefined,
  body: string | undefined,
): Promise<AcknowledgedWrite | undefined> {
  const path = id === undefined ? `/${collection}` : `/${collection}/${encodeURIComponent(id)}`;
  const pattern = id === undefined ? `/${collection}` : `/${collection}/{id}`;
  const { response, sentMs, receivedMs } = await timedRequest(method, `${nextOf(gateways)}${path}`, body ?? null, {
    headers: { ...credentials, ...(body === undefined ? {} : { "content-type": "application/json" }) },
    tags: { name: `${method} gateway${pattern}` },
  });
  const isAcknowledged = check(response, {
    "the gateway acknowledged the write": ({ status }) => status >= 200 && status < 300,
  });
  if (!isAcknowledged) return undefined;
  const version = versionOf(response);
  const token = response.headers["Sync-Token"] ?? "";
  return { id: id ?? String(response.json("id")), version, deleted: method === "DELETE", token, sentMs, receivedMs };
}

/** Creates an entity. @returns undefined when the write was not acknowledged; k6 counts it as a failed check. */
export const create = () => write("POST", undefined, newDocument());
/** Changes an entity. @returns undefined when the write was not acknowledged. */
export const update = (id: string) => write("PATCH", id, JSON.stringify(change()));
/** Deletes an entity. @returns undefined when the write was not acknowledged. */
export const remove = (id: string) => write("DELETE", id, undefined);

/** 404 is not a failure: the replica may not have the entity yet. */
const readStatuses = http.expectedStatuses(200, 404);

/** Result of a read. */
export interface ReadResult extends TimedResponse {
  /** 0 when the replica does not have the entity. */
  readonly version: number;
  /** True when the response, also a 404, came from the cache (`Cache-Status`, RFC 9211). */
  readonly isHit: boolean;
  /** True when the replica has no cache. */
  readonly hasNoCache: boolean;
  /** True for status 200 or 404. */
  readonly isValid: boolean;
}

/** Reads one entity. */
export async function readOne(
  { name, urls }: Replica,
  id: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<ReadResult> {
  const result = await timedRequest("GET", `${nextOf(urls)}/${collection}/${encodeURIComponent(id)}`, null, {
    headers,
    responseCallback: readStatuses,
    tags: { name: `GET ${name}/${collection}/{id}` },
  });
  const { status, headers: responseHeaders } = result.response;
  const cacheStatus = responseHeaders["Cache-Status"] ?? "";
  return {
    ...result,
    version: status === 200 ? versionOf(result.response) : 0,
    isHit: /;\s*hit\b/.test(cacheStatus),
    hasNoCache: cacheStatus.includes("detail=not-configured"),
    isValid: status === 200 || status === 404,
  };
}

/** Reads the first page of the list. @returns true for status 200. */
export async function list({ name, urls }: Replica): Promise<boolean> {
  const { response } = await timedRequest("GET", `${nextOf(urls)}/${collection}?limit=20`, null, {
    tags: { name: `GET ${name}/${collection}` },
  });
  return response.status === 200;
}
