/** The HTTP routes that every service has: health, metrics, and problem details for every error. */
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { routePath } from "hono/route";
import { policy, RequestError } from "../../contracts/errors.ts";
import { contentTypes, formatFor } from "../../observability/exposition.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { traceIdOf } from "../../observability/trace.ts";
import type { Check } from "../service.ts";
import { VERSION } from "../version.ts";
import { ConditionWatch } from "./condition-watch.ts";
import { problem } from "./problem.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** Context of the request's span, if the service started one. Logs and problems name its trace. */
    traceparent?: string;
    /** Id of the request's trace, if the trace is sampled. */
    sampledTraceId?: string | undefined;
  }
}

/** What {@link serviceApp} needs. */
export interface ServiceAppDeps {
  /** The service is ready when none of these that blocks readiness has a problem. */
  readonly checks: readonly Check[];
  readonly metrics: Metrics;
  readonly logger: Logger;
}

/**
 * Methods that have a series of their own in the metrics. All others share `_OTHER`, so that a client cannot create
 * series.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/http/http-metrics/
 */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY"]);

/** Creates an app with `/health/live`, `/health/ready` and `/metrics`. The service adds its own routes. */
export function serviceApp({ checks, metrics, logger }: ServiceAppDeps): Hono {
  const app = new Hono();
  app.use(observeRequests(metrics, logger));
  app.get("/health/live", (c) => c.json({ status: "up" }));
  const watch = new ConditionWatch(checks, metrics);
  app.get("/health/ready", (c) => {
    const { ready, results } = watch.evaluate();
    return c.json({ status: ready ? "ready" : "not ready", version: VERSION, checks: results }, ready ? 200 : 503);
  });
  app.get("/metrics", async (c) => {
    const format = formatFor(c.req.header("accept"));
    return c.body(await metrics.text(format), 200, { "content-type": contentTypes[format], vary: "accept" });
  });
  app.notFound((c) => unrouted(app, c));
  app.onError(respondToErrors(logger));
  return app;
}

/** Measures every request, and logs it at level `debug`. */
function observeRequests(metrics: Pick<Metrics, "httpRequests">, logger: Logger): MiddlewareHandler {
  return async (c, next) => {
    const start = performance.now();
    await next();
    const seconds = (performance.now() - start) / 1_000;
    // `c.header` would copy the response and its body.
    c.res.headers.set("x-content-type-options", "nosniff");
    const labels = {
      http_request_method: METHODS.has(c.req.method) ? c.req.method : "_OTHER",
      http_route: routePath(c, -1),
      http_response_status_code: String(c.res.status),
    };
    metrics.httpRequests.observe(labels, seconds, c.get("sampledTraceId"));
    if (logger.isLevelEnabled("debug"))
      logger.debug({ method: c.req.method, path: c.req.path, status: c.res.status, seconds, ...traceOf(c) }, "request");
  };
}

/** Responds with a problem. Logs every unexpected error, and errors with a 5xx status at most once per second. */
function respondToErrors(logger: Logger): (error: Error, c: Context) => Response {
  const limiter = new OncePerSecond();
  return (error, c) => {
    const { traceId } = traceOf(c);
    const request = { method: c.req.method, path: c.req.path, traceId };
    if (!(error instanceof RequestError)) logger.error({ err: error, ...request }, "request failed");
    else if (policy[error.code].http >= 500) {
      // During an outage of the database every request fails. Logging each would cost more than the requests.
      const suppressed = limiter.next(performance.now());
      if (suppressed !== undefined)
        logger.error(
          { reason: error.message, cause: String(error.cause ?? ""), suppressed, ...request },
          "request failed",
        );
    }
    return problem(error, c.req.path, traceId);
  };
}

/** Lets one event per second through, and counts the ones that it suppressed in between. */
class OncePerSecond {
  private lastMs = Number.NEGATIVE_INFINITY;
  private suppressed = 0;

  /**
   * @returns how many events were suppressed since the last one that passed; undefined if this one is suppressed too.
   */
  next(nowMs: number): number | undefined {
    if (nowMs - this.lastMs < 1_000) {
      this.suppressed++;
      return undefined;
    }
    const { suppressed } = this;
    this.lastMs = nowMs;
    this.suppressed = 0;
    return suppressed;
  }
}

function traceOf(c: Context): { traceId?: string } {
  const traceId = traceIdOf(c.get("traceparent") ?? c.req.header("traceparent"));
  return traceId ? { traceId } : {};
}

/** Responds where no route matches: 404 for an unknown path, 405 for another method, 204 for OPTIONS. */
function unrouted(app: Hono, c: Context): Response {
  const { method, path } = c.req;
  const { traceId } = traceOf(c);
  const methods = methodsOf(app, path);
  if (methods.length === 0) return problem(new RequestError("NOT_FOUND", "No resource has this path."), path, traceId);
  const allow = methods.join(", ");
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  const detail = `This resource does not support ${method}. Allowed: ${allow}.`;
  const response = problem(new RequestError("METHOD_NOT_ALLOWED", detail), path, traceId);
  response.headers.set("allow", allow);
  return response;
}

/** The methods of a path, sorted; none for an unknown path. */
function methodsOf(app: Hono, path: string): string[] {
  const segments = path.split("/");
  const matches = (pattern: string) => {
    const parts = pattern.split("/");
    return (
      parts.length === segments.length &&
      parts.every((part, i) => (part.startsWith(":") ? segments[i] !== "" : part === segments[i]))
    );
  };
  const methods = new Set(
    app.routes.filter((route) => route.method !== "ALL" && matches(route.path)).map((route) => route.method),
  );
  if (methods.has("GET")) methods.add("HEAD");
  if (methods.size > 0) methods.add("OPTIONS");
  return [...methods].sort();
}
