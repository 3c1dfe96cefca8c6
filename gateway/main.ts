/** Wires the gateway: settings, the source's PostgreSQL, and the routes of every entity. */
import type { Hono } from "hono";
import { asyncApi } from "../contracts/asyncapi/document.ts";
import type { Project } from "../contracts/project.ts";
import { connectLog } from "../kafka/connect-log.ts";
import { brokerOptions } from "../kafka/security.ts";
import { watchPool } from "../observability/gauges.ts";
import type { Logger } from "../observability/logger.ts";
import { type Auth, createAuth } from "../platform/auth/guard.ts";
import { serveHttp } from "../platform/http/server.ts";
import { serviceApp } from "../platform/http/service-app.ts";
import { serveDescription } from "../platform/openapi/document.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import type { ServiceDeps } from "../platform/run.ts";
import type { Check, Service } from "../platform/service.ts";
import { VERSION } from "../platform/version.ts";
import { Admission } from "./admission.ts";
import { EntityStore } from "./entity-store.ts";
import { KeyExpiry } from "./idempotency.ts";
import { sourceMigrations } from "./migrations/index.ts";
import { gatewayOpenApi } from "./openapi/document.ts";
import { ReceiptListener } from "./receipt-listener.ts";
import { addRoutes, type RouteDeps } from "./routes.ts";
import { scopeOf } from "./scope.ts";
import { Source, tablesOf } from "./source.ts";

/** A running gateway. */
export interface Gateway extends Service {
  readonly url: string;
  /** Every method and path that has a handler. */
  readonly routes: readonly { readonly method: string; readonly path: string }[];
}

/**
 * Starts the gateway: migrates the source, then accepts requests.
 *
 * @throws {Error} when DATABASE_URL is missing, or the database cannot be reached or migrated.
 * @throws {SettingsError} when the gateway would listen on the network without authentication.
 */
export async function startGateway({ settings, logger, metrics, project }: ServiceDeps): Promise<Gateway> {
  const url = settings.DATABASE_URL;
  if (!url) throw new Error("DATABASE_URL is not set. The gateway needs it to connect to the source's PostgreSQL.");
  const auth = createAuth({ settings, metrics, logger }, { scopeOf });
  const source = new Source(url, {
    connections: settings.LOCKSTEP_DATABASE_POOL,
    statementTimeoutMs: settings.LOCKSTEP_STATEMENT_TIMEOUT_MS,
  });
  watchPool(metrics, "source", () => source.use);
  const connect = () => connectLog({ ...brokerOptions(settings), clientId: "lockstep-gateway", logger, metrics });
  const receipts = new ReceiptListener(connect, logger, project);
  receipts.registerMetrics(metrics);
  receipts.start();
  const admission = new Admission(settings.LOCKSTEP_MAX_TOTAL_BODY_BYTES);
  admission.registerMetrics(metrics);
  const deps = {
    receipts,
    admission,
    metrics,
    maxBodyBytes: settings.LOCKSTEP_MAX_BODY_BYTES,
    maxWaitMs: settings.LOCKSTEP_MAX_WAIT_MS,
  };
  const checks = [...source.checks, admission.check, receipts.check, ...auth.checks];
  const app = gatewayApp({ source, auth, checks, logger, project }, deps);
  const http = serveHttp(app, settings);
  await migrate(url, sourceMigrations(project), logger);
  source.schemaIsUpToDate(tablesOf(project.entities));
  const keyExpiry = new KeyExpiry(source, settings.LOCKSTEP_IDEMPOTENCY_HOURS, logger);
  http.listenShared();
  logger.info({ listening: http.url }, "gateway is up");

  const ended = Promise.withResolvers<void>();
  return {
    url: http.url,
    routes: app.routes,
    ended: ended.promise,
    async stop() {
      keyExpiry[Symbol.dispose]();
      await http.stop();
      await receipts.close();
      await source.close();
      auth.close();
      ended.resolve();
    },
  };
}

/** The HTTP application: health and metrics, authorization, routes of every entity, descriptions. */
export function gatewayApp(
  {
    source,
    auth,
    checks,
    logger,
    project,
  }: {
    readonly source: Source;
    readonly auth: Auth;
    readonly checks: readonly Check[];
    readonly logger: Logger;
    readonly project: Project;
  },
  deps: RouteDeps,
): Hono {
  const { metrics } = deps;
  const app = serviceApp({ checks, metrics, logger });
  if (auth.isRequired) app.use(auth.guard);
  for (const entity of project.entities) {
    const store = new EntityStore(source, entity, project.entities);
    store.registerMetrics(metrics);
    addRoutes(app, store, deps);
  }
  serveDescription(app, "/openapi.json", () => gatewayOpenApi(project));
  serveDescription(app, "/asyncapi.json", () => asyncApi(project, VERSION));
  return app;
}
