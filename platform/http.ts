/** What the HTTP side of every service has in common: health, metrics, problem details (RFC 9457), and a stop that finishes what runs. */
import { Hono } from "hono";
import { type ErrorCode, LockstepError, policy } from "../contracts/errors.ts";
import type { Logger } from "../observability/logger.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Check } from "./service.ts";
import type { Settings } from "./settings.ts";

const PROBLEM = "application/problem+json";
const STOP_MS = 5_000;

/** The answer for an error. The type is a stable URI reference; nothing of an unexpected error gets out. */
export function problem(error: unknown, instance: string): Response {
  const known =
    error instanceof LockstepError
      ? error
      : new LockstepError("INTERNAL", "An unexpected error occurred; it was logged.");
  const { http, title } = policy[known.code];
  const { violations, retryAfterSeconds } = known.details;
  const headers = new Headers({ "content-type": PROBLEM, "cache-control": "no-store" });
  if (retryAfterSeconds !== undefined) headers.set("retry-after", String(retryAfterSeconds));
  return new Response(
    JSON.stringify({
      type: `/problems/${known.code.toLowerCase().replaceAll("_", "-")}`,
      title,
      status: http,
      detail: known.message,
      instance,
      code: known.code,
      ...(violations ? { errors: violations } : {}),
    }),
    { status: http, headers },
  );
}

/** An app with `/health/live`, `/health/ready`, `/metrics`, and problems for whatever goes wrong; routes are added to it. */
export function serviceApp(using: { checks: readonly Check[]; metrics: Metrics; logger: Logger }): Hono {
  const { checks, metrics, logger } = using;
  const app = new Hono();
  app.use(async (c, next) => {
    const start = performance.now();
    await next();
    c.header("x-content-type-options", "nosniff");
    metrics.httpRequests.observe(
      {
        http_request_method: c.req.method,
        http_route: c.req.routePath,
        http_response_status_code: String(c.res.status),
      },
      (performance.now() - start) / 1_000,
    );
  });
  app.get("/health/live", (c) => c.json({ status: "up" }));
  app.get("/health/ready", (c) => {
    const results = checks.map(({ name, problem: why, note }) => ({
      name,
      problem: why() ?? null,
      ...(note ? { note: note() ?? null } : {}),
    }));
    const ready = results.every((check) => check.problem === null);
    return c.json({ status: ready ? "ready" : "not ready", checks: results }, ready ? 200 : 503);
  });
  app.get("/metrics", async (c) => c.text(await metrics.text(), 200, { "content-type": "text/plain; version=0.0.4" }));
  app.notFound((c) => {
    const allowed = methodsOf(app, c.req.path);
    const code: ErrorCode = allowed.length > 0 ? "METHOD_NOT_ALLOWED" : "NOT_FOUND";
    const detail =
      allowed.length > 0
        ? `${c.req.method} is not possible here; allowed: ${allowed.join(", ")}`
        : "No resource has this path.";
    const answer = problem(new LockstepError(code, detail), c.req.path);
    if (allowed.length > 0) answer.headers.set("allow", allowed.join(", "));
    return answer;
  });
  app.onError((error, c) => {
    if (!(error instanceof LockstepError) || error.code === "INTERNAL")
      logger.error({ err: error, method: c.req.method, path: c.req.path }, "request failed");
    return problem(error, c.req.path);
  });
  return app;
}

/** Methods that some route answers at this path. */
function methodsOf(app: Hono, path: string): string[] {
  const segments = path.split("/");
  const matches = (pattern: string) => {
    const parts = pattern.split("/");
    return parts.length === segments.length && parts.every((part, i) => part.startsWith(":") || part === segments[i]);
  };
  const methods = app.routes
    .filter((route) => route.method !== "ALL" && matches(route.path))
    .map((route) => route.method);
  return [...new Set(methods)].sort();
}

export interface HttpServer {
  readonly url: string;
  /** Stops accepting, lets requests under way finish for 5 seconds at most. */
  stop(): Promise<void>;
}

/** @throws {Error} when the port is taken. */
export function serveHttp(app: Hono, settings: Settings): HttpServer {
  const server = Bun.serve({
    hostname: settings.LOCKSTEP_HOST,
    port: settings.PORT,
    idleTimeout: 60,
    // A little above the limit, so that the answer is our problem and not a bare 413.
    maxRequestBodySize: settings.LOCKSTEP_MAX_BODY_BYTES * 2 + 65_536,
    fetch: app.fetch,
  });
  return {
    url: `http://${settings.LOCKSTEP_HOST}:${server.port}`,
    async stop() {
      await Promise.race([server.stop(), Bun.sleep(STOP_MS)]);
      await server.stop(true);
    },
  };
}
