/** Writes entities through the gateway's HTTP API, as any client does. */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { Document, EntityId } from "../../../contracts/entity/document.ts";
import { RequestError } from "../../../contracts/errors.ts";
import { SpanKind, startSpan, traceIdOf } from "../../../observability/trace.ts";
import type { Addresses } from "../../../operations/connect.ts";

const GATEWAY_TIMEOUT_MS = 15_000;

/** A write that the page requests. */
export interface WriteRequest {
  readonly operation: "create" | "change" | "delete";
  /** Undefined for a create. */
  readonly id?: EntityId | undefined;
  /** The write succeeds only while the entity has this version. Undefined: any version. */
  readonly version?: number | undefined;
  /** Undefined for a delete. */
  readonly document?: Document | undefined;
}

/** The gateway's response. Times are milliseconds since 1970. */
export interface GatewayResponse {
  readonly status: number;
  /** The document, or problem details (RFC 9457); null for a delete. */
  readonly body: Document | null;
  /** Version that the write made; null when the gateway rejected it. */
  readonly version: number | null;
  readonly startedMs: number;
  readonly respondedMs: number;
  readonly traceId: string | null;
}

/**
 * Sends a write to the gateway and returns its response, also when that is an error.
 *
 * @param token of the user, who needs the scope to write: the console has no token of its own.
 * @throws {RequestError} UNAVAILABLE when no gateway is configured, or it does not answer within 15 s.
 */
export async function writeThroughGateway(
  addresses: Addresses,
  entity: EntityDeclaration,
  { operation, id, version, document }: WriteRequest,
  token: string | undefined,
): Promise<GatewayResponse> {
  const span = startSpan(`console ${operation} ${entity.name}`, { kind: SpanKind.CLIENT });
  const startedMs = Date.now();
  try {
    const response = await fetchGateway(addresses, pathOf(entity, id), {
      method: { create: "POST", change: "PATCH", delete: "DELETE" }[operation],
      headers: {
        ...(document ? { "content-type": "application/json" } : {}),
        ...(version === undefined ? {} : { "if-match": `"${version}"` }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(span.traceparent ? { traceparent: span.traceparent } : {}),
      },
      ...(document ? { body: JSON.stringify(document) } : {}),
    });
    const respondedMs = Date.now();
    span.end(response.ok ? undefined : new Error(`status ${response.status}`));
    return {
      ...{ status: response.status, body: await jsonBody(response), startedMs, respondedMs },
      version: versionOf(response),
      traceId: traceIdOf(span.traceparent) ?? null,
    };
  } catch (error) {
    span.end(error);
    throw error;
  }
}

const pathOf = ({ plural }: EntityDeclaration, id: EntityId | undefined): string =>
  id === undefined ? `/${plural}` : `/${plural}/${encodeURIComponent(id)}`;

/** The version in the `ETag` header; null when there is none. */
function versionOf(response: Response): number | null {
  const [, version] = /^"(\d+)"$/.exec(response.headers.get("etag") ?? "") ?? [];
  return version === undefined ? null : Number(version);
}

async function fetchGateway({ services }: Addresses, path: string, init: RequestInit): Promise<Response> {
  const gateway = services.find(({ name }) => name === "gateway");
  if (!gateway)
    throw new RequestError("UNAVAILABLE", "The gateway's address is not configured; set LOCKSTEP_SERVICE_URLS.");
  try {
    return await fetch(`${gateway.url}${path}`, { ...init, signal: AbortSignal.timeout(GATEWAY_TIMEOUT_MS) });
  } catch (cause) {
    throw new RequestError("UNAVAILABLE", "The gateway does not answer; try again when it is available.", { cause });
  }
}

/** The body as JSON; null when it is empty or not JSON. */
async function jsonBody(response: Response): Promise<Document | null> {
  const text = await response.text();
  try {
    return text ? (JSON.parse(text) as Document) : null;
  } catch {
    return null;
  }
}
