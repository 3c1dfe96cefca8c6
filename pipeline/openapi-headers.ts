/** OpenAPI parameters and headers that the APIs of the gateway and the replicas share. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import { DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE } from "../contracts/pages.ts";
import { type Header, type Parameter, text } from "../platform/openapi/operation.ts";

const uuid = { type: "string", format: "uuid" };
const etag = text(/^"[1-9]\d{0,15}"$/);

/** A request header parameter. Without a schema it accepts any text. */
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

/** Path parameter: the entity's id. */
export function idOf({ key, fields }: EntityDeclaration): Parameter {
  const isUuid = key.length === 1 && fields[key[0]!]!.kind === "uuid";
  const description = isUuid ? "UUID, in any case" : descriptionOf(key);
  return { name: "id", in: "path", description, required: true, schema: isUuid ? uuid : text() };
}

function descriptionOf(key: readonly string[]): string {
  const values = key.length === 1 ? `the ${key[0]}` : `${key.join(", ")}, with a comma between two`;
  return `${values}; before the URL's own escapes, % in a value is %25, a comma is %2C, and an empty value is %00`;
}

/** Query parameters of a list (contracts/pages.ts). */
export const page: readonly Parameter[] = [
  inQuery("limit", "maximum number of items", {
    type: "integer",
    minimum: 1,
    maximum: MAX_PAGE_SIZE,
    default: DEFAULT_PAGE_SIZE,
  }),
  inQuery("cursor", "nextCursor of the previous page; without it, the first page", text()),
];

/** Precondition of a change (RFC 9110, section 13.1.1). */
export const ifMatch = inHeader("If-Match", "change only if the version is one of these entity tags; * is any version");
/** Conditional read (RFC 9110, section 13.1.2). */
export const ifNoneMatch = inHeader("If-None-Match", "entity tags that the client has; 304 if one is the version");
/** Precondition of a create. */
export const onlyIfNone = inHeader("If-None-Match", "create only if the entity does not exist; else 412", {
  const: "*",
});
/** Trace context of the request. */
export const traceparent = inHeader("traceparent", "W3C trace context of the request; problems name its trace");
/** Tokens of writes. @param does what the operation does with them. */
export const syncToken = (does: string) => inHeader("Sync-Token", `tokens of writes, separated by commas: ${does}`);
/** A wait (RFC 7240, section 4.3). @param does what the operation waits for. */
export const prefer = (does: string) => inHeader("Prefer", `wait=SECONDS (RFC 7240): ${does}`);

const header = (description: string, schema: Header["schema"], required = true): Header => ({
  description,
  required,
  schema,
});

/** Response headers, by the name that operations use. */
export const headers = {
  etag: header("the version", etag),
  link: header("the next page, as rel=next; absent on the last page", text(/^<[^>]+>; rel="next"$/), false),
  noCache: header("a cache may store the response, but must revalidate it before each use", { const: "no-cache" }),
  preferenceApplied: header(
    "the wait that the service applied, if the request asked for one",
    text(/^wait=[0-9.]+$/),
    false,
  ),
};
