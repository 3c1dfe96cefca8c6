/** The spans of a write: the request and, below it, the statement, whose context goes into the outbox row. */
import type { Context } from "hono";
import { policy, RequestError } from "../contracts/errors.ts";
import { isTracing, newTraceparent, SpanKind, startSpan, validTraceparent, withSpan } from "../observability/trace.ts";
import type { WriteContext } from "./write-context.ts";

/**
 * Runs a request inside its span. A write without a valid `traceparent` starts a new trace, so that all of its hops
 * share one trace id.
 *
 * @param route path pattern of the request, for the span's name: `/products/:id`.
 * @throws whatever `work` throws.
 */
export async function withRequestSpan(
  c: Context,
  route: string,
  work: (context: WriteContext) => Promise<Response>,
): Promise<Response> {
  if (!isTracing()) return await work(contextOf(c, validTraceparent(c.req.header("traceparent")) ?? newTraceparent()));
  const span = startSpan(`${c.req.method} ${route}`, {
    parent: validTraceparent(c.req.header("traceparent")),
    kind: SpanKind.SERVER,
    attributes: { "http.request.method": c.req.method, "url.path": c.req.path, "http.route": route },
  });
  const context = contextOf(c, span.traceparent ?? newTraceparent());
  try {
    const response = await work(context);
    span.setAttributes({ "http.response.status_code": response.status });
    span.end();
    c.set("sampledTraceId", span.sampledTraceId);
    return response;
  } catch (error) {
    const status = error instanceof RequestError ? policy[error.code].http : 500;
    span.setAttributes({ "http.response.status_code": status });
    // A client error does not mark the server's span as failed (OpenTelemetry semantic conventions for HTTP, span
    // status).
    span.end(status >= 500 ? error : undefined);
    c.set("sampledTraceId", span.sampledTraceId);
    throw error;
  }
}

function contextOf(c: Context, traceparent: string): WriteContext {
  c.set("traceparent", traceparent);
  const actor = c.get("caller")?.subject;
  return actor === undefined ? { traceparent } : { traceparent, actor };
}

/**
 * Runs one statement inside its span.
 *
 * @param summary operation and table: `INSERT products`.
 * @throws whatever `work` throws.
 */
export const withStatementSpan = <T>(
  context: WriteContext,
  summary: string,
  work: (context: WriteContext) => Promise<T>,
): Promise<T> => {
  if (!isTracing()) return work(context);
  return withSpan(
    summary,
    {
      parent: context.traceparent,
      kind: SpanKind.CLIENT,
      attributes: { "db.system.name": "postgresql", "db.query.summary": summary },
    },
    (span) => work({ ...context, traceparent: span.traceparent ?? context.traceparent }),
  );
};
