/** Writes entities as any client does: through the gateway's API. The answer is the gateway's own. */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { Document, EntityId } from "../../../contracts/entity/document.ts";
import { RequestError } from "../../../contracts/errors.ts";
import { SpanKind, startSpan, traceIdOf } from "../../../observability/trace.ts";
import type { Addresses } from "../../../operations/connect.ts";

const ANSWER_MS = 15_000;

/** What somebody wants to have written. `version`: only if it is still at that one. */
export interface WriteRequest {
  readonly operation: "create" | "change" | "delete";
  readonly id?: EntityId | undefined;
  readonly version?: number | undefined;
  readonly document?: Document | undefined;
}

export interface WriteAnswer {
  readonly status: number;
  /** The document, or a problem (RFC 9457); null for a delete. */
  readonly body: Document | null;
  readonly version: number | null;
  readonly startedMs: number;
  readonly answeredMs: number;
  readonly traceId: string | null;
}

/**
 * @param token of whoever wants it, who must have the right to write: the console itself has none.
 * @throws {RequestError} UNAVAILABLE when the gateway is not known or does not answer.
 */
export async function write(
  addresses: Addresses,
  entity: EntityDeclaration,
  wish: WriteRequest,
  token: string | undefined,
): Promise<WriteAnswer> {
  const span = startSpan(`console ${wish.operation} ${entity.name}`, { kind: SpanKind.CLIENT });
  const startedMs = Date.now();
  try {
    const response = await ask(addresses, pathOf(entity, wish.id), {
      method: { create: "POST", change: "PATCH", delete: "DELETE" }[wish.operation],
      headers: {
        ...(wish.document ? { "content-type": "application/json" } : {}),
        ...(wish.version === undefined ? {} : { "if-match": `"${wish.version}"` }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(span.traceparent ? { traceparent: span.traceparent } : {}),
      },
      ...(wish.document ? { body: JSON.stringify(wish.document) } : {}),
    });
    const answeredMs = Date.now();
    const version = Number(/^"(\d+)"$/.exec(response.headers.get("etag") ?? "")?.[1] ?? Number.NaN);
    span.end(response.ok ? undefined : new Error(`status ${response.status}`));
    return {
      ...{ status: response.status, body: await bodyOf(response), startedMs, answeredMs },
      version: Number.isNaN(version) ? null : version,
      traceId: traceIdOf(span.traceparent) ?? null,
    };
  } catch (error) {
    span.end(error);
    throw error;
  }
}

const pathOf = ({ plural }: EntityDeclaration, id: EntityId | undefined): string =>
  id === undefined ? `/${plural}` : `/${plural}/${id}`;

async function ask({ services }: Addresses, path: string, init: RequestInit): Promise<Response> {
  const gateway = services.find(({ name }) => name === "gateway");
  if (!gateway) throw new RequestError("UNAVAILABLE", "Nobody says where the gateway is: set LOCKSTEP_SERVICE_URLS.");
  try {
    return await fetch(`${gateway.url}${path}`, { ...init, signal: AbortSignal.timeout(ANSWER_MS) });
  } catch (cause) {
    throw new RequestError("UNAVAILABLE", "The gateway does not answer.", { cause });
  }
}

async function bodyOf(response: Response): Promise<Document | null> {
  const text = await response.text();
  try {
    return text ? (JSON.parse(text) as Document) : null;
  } catch {
    return null;
  }
}
