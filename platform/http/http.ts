/** What the HTTP side of every service has in common: health, metrics, problem details (RFC 9457), and a stop that finishes what runs. */
import { type Context, Hono } from "hono";
import { routePath } from "hono/route";
import { type Problem, policy, RequestError } from "../../contracts/errors.ts";
import { contentTypes, formatFor } from "../../observability/exposition.ts";
import type { Logger } from "../../observability/logger.ts";
import type { Metrics } from "../../observability/metrics.ts";
import { traceIdOf } from "../../observability/trace.ts";
import type { Check } from "../service.ts";
import type { Settings } from "../settings/settings.ts";
import { VERSION } from "../version.ts";
import { type SharedPort, sharePort } from "./shared-port.ts";

declare module "hono" {
  interface ContextVariableMap {
    /** Of the request's span, where there is one that is not the client's: logs and problems name its trace. */
    traceparent?: string;
    /** Trace that the request's span is kept in, where one is. */
    sampledTraceId?: string | undefined;
  }
}

const PROBLEM = "application/problem+json";
const STOP_MS = 5_000;
/** Any other is one in the metrics: a client's invention must not make a series (OpenTelemetry semantic conventions for HTTP). */
const METHODS = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY"]);
/** A connection that says nothing for so long is closed. */
const IDLE_S = 60;
const RETRY_AFTER_S = 1;

/** The answer for an error. Nothing of an unexpected error gets out. */
export function problem(error: unknown, instance: string, traceId?: string): Response {
  const known =
    error instanceof RequestError
      ? error
      : new RequestError("INTERNAL", "An unexpected error occurred; it was logged.");
  const { http: status, retry } = policy[known.code];
  const { challenges = [], retryAfterSeconds = retry === "soon" ? RETRY_AFTER_S : undefined } = known.details;
  const headers = new Headers({ "content-type": PROBLEM, "cache-control": "no-store" });
  if (retryAfterSeconds !== undefined) headers.set("retry-after", String(retryAfterSeconds));
  for (const challenge of challenges) headers.append("www-authenticate", challenge);
  return new Response(JSON.stringify(problemBody(known, instance, traceId)), { status, headers });
}

/** What a problem says (RFC 9457). The type is a stable URI reference. */
export function problemBody({ code, message, details }: RequestError, instance: string, traceId?: string): Problem {
  const { http, title } = policy[code];
  return {
    type: `/problems/${code.toLowerCase().replaceAll("_", "-")}`,
    title,
    status: http,
    detail: message,
    // A path as Hono gives it is decoded; RFC 9457 asks for a URI reference.
    instance: encodeURI(instance),
    code,
    ...(traceId ? { traceId } : {}),
    ...(details.violations ? { errors: [...details.violations] } : {}),
  };
}

/** An app with `/health/live`, `/health/ready`, `/metrics`, and problems for whatever goes wrong; routes are added to it. */
export function serviceApp(deps: { checks: readonly Check[]; metrics: Metrics; logger: Logger }): Hono {
  const { checks, metrics, logger } = deps;
  const app = new Hono();
  app.use(async (c, next) => {
    const start = performance.now();
    await next();
    const seconds = (performance.now() - start) / 1_000;
    c.header("x-content-type-options", "nosniff");
    const labels = {
      http_request_method: METHODS.has(c.req.method) ? c.req.method : "_OTHER",
      http_route: routePath(c, -1),
      http_response_status_code: String(c.res.status),
    };
    metrics.httpRequests.observe(labels, seconds, c.get("sampledTraceId"));
    if (logger.isLevelEnabled("debug"))
      logger.debug({ method: c.req.method, path: c.req.path, status: c.res.status, seconds, ...traceOf(c) }, "request");
  });
  app.get("/health/live", (c) => c.json({ status: "up" }));
  app.get("/health/ready", (c) => {
    const results = checks.map(({ name, problem: why, note }) => ({
      name,
      problem: why() ?? null,
      ...(note ? { note: note() ?? null } : {}),
    }));
    const ready = results.every((check) => check.problem === null);
    return c.json({ status: ready ? "ready" : "not ready", version: VERSION, checks: results }, ready ? 200 : 503);
  });
  app.get("/metrics", async (c) => {
    const format = formatFor(c.req.header("accept"));
    return c.body(await metrics.text(format), 200, { "content-type": contentTypes[format], vary: "accept" });
  });
  app.notFound((c) => unrouted(app, c));
  const refused = new OncePerSecond();
  app.onError((error, c) => {
    const { traceId } = traceOf(c);
    const request = { method: c.req.method, path: c.req.path, traceId };
    if (!(error instanceof RequestError)) logger.error({ err: error, ...request }, "request failed");
    else if (policy[error.code].http >= 500) {
      // While a database is away there is one of these for each request; writing them all would cost more than the requests.
      const alike = refused.count(performance.now());
      if (alike !== undefined)
        logger.error({ reason: error.message, cause: String(error.cause ?? ""), alike, ...request }, "request failed");
    }
    return problem(error, c.req.path, traceId);
  });
  return app;
}

/** Lets one event of a second through, with how many there were since the last one. */
class OncePerSecond {
  private last = Number.NEGATIVE_INFINITY;
  private held = 0;

  /** @param now in milliseconds. @returns how many were held back before this one; undefined to hold this one back too. */
  count(now: number): number | undefined {
    if (now - this.last < 1_000) {
      this.held++;
      return undefined;
    }
    const { held } = this;
    this.last = now;
    this.held = 0;
    return held;
  }
}

function traceOf(c: Context): { traceId?: string } {
  const traceId = traceIdOf(c.get("traceparent") ?? c.req.header("traceparent"));
  return traceId ? { traceId } : {};
}

/** What no route answers: OPTIONS, methods that are not possible here, and paths that nothing has. */
function unrouted(app: Hono, c: Context): Response {
  const { method, path } = c.req;
  const { traceId } = traceOf(c);
  const methods = methodsOf(app, path);
  if (methods.length === 0) return problem(new RequestError("NOT_FOUND", "No resource has this path."), path, traceId);
  const allow = methods.join(", ");
  if (method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  const detail = `${method} is not possible here; allowed: ${allow}`;
  const answer = problem(new RequestError("METHOD_NOT_ALLOWED", detail), path, traceId);
  answer.headers.set("allow", allow);
  return answer;
}

/** Methods that are answered at this path; none when there is no such path. */
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

export interface HttpServer {
  readonly url: string;
  /** From now on the shared port leads here too, if there is one: to be called once requests can be answered. @throws {Error} when it is taken. */
  listenShared(): void;
  /** Lets clients go elsewhere, stops accepting, lets requests under way finish for 5 seconds at most. */
  stop(): Promise<void>;
}

/** Serves on the service's own port: health can be asked for from the start. @throws {Error} when it is taken. */
export function serveHttp(app: Hono, settings: Settings): HttpServer {
  const door = new DrainGate((request) => app.fetch(request));
  const server = Bun.serve({
    hostname: settings.LOCKSTEP_HOST,
    port: settings.PORT,
    idleTimeout: IDLE_S,
    // Bodies are bounded where they are read, so that the answer is a problem and not a bare 413; what nobody reads is never kept.
    maxRequestBodySize: Number.MAX_SAFE_INTEGER,
    // Bun's own page for errors would show their stack.
    development: false,
    error: (error) => problem(error, ""),
    fetch: door.fetch,
  });
  let shared: SharedPort | undefined;
  return {
    url: `http://${settings.LOCKSTEP_HOST}:${server.port}`,
    listenShared() {
      const { LOCKSTEP_HOST: hostname, LOCKSTEP_SHARED_PORT: port } = settings;
      if (port !== undefined) shared ??= sharePort({ hostname, port, to: server.port! });
    },
    async stop() {
      await shared?.leave();
      await door.drain(settings.LOCKSTEP_DRAIN_MS);
      const patience = Promise.withResolvers<void>();
      const timer = setTimeout(patience.resolve, STOP_MS);
      await Promise.race([server.stop(), patience.promise]);
      clearTimeout(timer);
      await server.stop(true);
    },
  };
}

/** Nobody has asked for so long: whoever keeps a connection will find out that it is closed before the next request. */
const QUIET_MS = 250;

/**
 * What stands between the servers and the app, so that a stop resets no connection: Bun closes those that are idle at the moment of the
 * stop, also when the client's next request is on its way. So before that each answer asks its client to connect anew, which with a
 * shared port, or behind a load balancer, leads to another instance.
 */
class DrainGate {
  private draining = false;
  private askedAt = Number.NEGATIVE_INFINITY;

  constructor(private readonly app: (request: Request) => Response | Promise<Response>) {}

  readonly fetch = (request: Request): Response | Promise<Response> => {
    this.askedAt = performance.now();
    return this.draining ? this.lastAnswer(request) : this.app(request);
  };

  /** Resolves when nobody asks any more, after `mostMs` at the latest. */
  async drain(maxMs: number): Promise<void> {
    this.draining = true;
    const until = performance.now() + maxMs;
    for (let now = performance.now(); now < until && now - this.askedAt < QUIET_MS; now = performance.now())
      await Bun.sleep(Math.min(20, until - now));
  }

  private async lastAnswer(request: Request): Promise<Response> {
    const goes = new URL(request.url).pathname === "/health/ready";
    const answer = goes ? Response.json({ status: "stopping" }, { status: 503 }) : await this.app(request);
    answer.headers.set("connection", "close");
    return answer;
  }
}
