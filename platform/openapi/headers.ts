/** Parameters and headers that the gateway and the replicas have in common, each with its form. */
import { DEFAULT_PAGE, MAX_PAGE } from "../../contracts/pages.ts";
import { type Header, type Parameter, text } from "./operation.ts";

const uuid = { type: "string", format: "uuid" };
const etag = text(/^"[1-9]\d{0,14}"$/);

/** A parameter in a request header; any text where no schema is given. */
export const inHeader = (name: string, description: string, schema: Parameter["schema"] = text()): Parameter => ({
  name,
  in: "header",
  description,
  schema,
});

const inQuery = (name: string, description: string, schema: Parameter["schema"]): Parameter => ({
  name,
  in: "query",
  description,
  schema,
});

export const id: Parameter = { name: "id", in: "path", description: "UUID, in any case", required: true, schema: uuid };

export const page: readonly Parameter[] = [
  inQuery("limit", "most items of the page", { type: "integer", minimum: 1, maximum: MAX_PAGE, default: DEFAULT_PAGE }),
  inQuery("cursor", "nextCursor of the page before; without it, the first page", text()),
];

export const ifMatch = inHeader("If-Match", "carried out only if the version is one of these entity tags; * is any");
export const ifNoneMatch = inHeader("If-None-Match", "entity tags that the client has: 304 while one is the version");
export const onlyIfNone = inHeader("If-None-Match", "only if there is none: 412 for what is there", { const: "*" });
export const traceparent = inHeader("traceparent", "W3C trace context of the request; problems name its trace");
export const syncToken = (does: string) => inHeader("Sync-Token", `tokens of writes, separated by commas: ${does}`);
export const prefer = (does: string) => inHeader("Prefer", `wait=SECONDS (RFC 7240): ${does}`);

const header = (description: string, schema: Header["schema"], required = true): Header => ({
  description,
  required,
  schema,
});

export const headers = {
  etag: header("the version", etag),
  link: header("the next page, as rel=next; without it this is the last one", text(/^<[^>]+>; rel="next"$/), false),
  noCache: header("an answer may be kept, and has to be asked for again before it is used", { const: "no-cache" }),
  preferenceApplied: header("the wait that was in force, where one was asked for", text(/^wait=[0-9.]+$/), false),
};
