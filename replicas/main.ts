/** Wires one replica: PostgreSQL, cache, log, HTTP reads. Several processes may run the same replica. */
import type { Hono } from "hono";
import { connectLog } from "../kafka/connect-log.ts";
import { brokerOptions } from "../kafka/security.ts";
import { PauseControl } from "../pipeline/pause.ts";
import { serveHttp } from "../platform/http/server.ts";
import { serviceApp } from "../platform/http/service-app.ts";
import { serveDescription } from "../platform/openapi/document.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import type { ServiceDeps } from "../platform/run.ts";
import type { Check, Service } from "../platform/service.ts";
import { healthChecks } from "./health.ts";
import { migrationsOf } from "./migrations/index.ts";
import { replicaOpenApi } from "./reads/openapi.ts";
import { addReads } from "./reads/routes.ts";
import { type EntityReplica, Replica } from "./replica.ts";
import { ReplicaConsumer } from "./replica-consumer.ts";
import { isPublic, replicatedEntities } from "./replicated-entities.ts";

/** Starts a replica. @throws {Error} when DATABASE_URL is not set, or the database or the brokers are unavailable. */
export async function startReplica(deps: ServiceDeps, name: string): Promise<Service> {
  const { settings, logger, metrics, project } = deps;
  const databaseUrl = settings.DATABASE_URL;
  if (!databaseUrl)
    throw new Error(`DATABASE_URL is not set; set it to the own PostgreSQL database of replica ${name}`);
  const replica = createReplica(deps, name, databaseUrl);
  replica.watchUsage(metrics);
  const pause = new PauseControl({ logger, metrics, project });
  const consumer = new ReplicaConsumer({ ...deps, name, databaseUrl, replica, pause });
  const health = healthChecks({ consumer, replica });
  const app = replicaApp(deps, name, {
    entities: replica.entities,
    lagMs: () => consumer.lagMs(),
    checks: [...health.checks, pause.check],
  });
  const http = serveHttp(app, settings);

  await migrate(databaseUrl, migrationsOf(project, name), logger);
  await replica.start(health.onHeartbeat);
  const log = await connectLog({ ...brokerOptions(settings), clientId: `lockstep-replica-${name}`, logger, metrics });
  const { ended } = await consumer.start(log);
  http.listenShared();

  return {
    ended,
    async stop() {
      await consumer.close();
      await log.close();
      await http.stop();
      await replica.close();
    },
  };
}

const createReplica = (
  { settings, logger, metrics, project }: ServiceDeps,
  name: string,
  databaseUrl: string,
): Replica =>
  new Replica(
    {
      name,
      databaseUrl,
      redisUrl: settings.REDIS_URL,
      entities: replicatedEntities(project, name),
      connections: settings.LOCKSTEP_DATABASE_POOL,
      statementTimeoutMs: settings.LOCKSTEP_STATEMENT_TIMEOUT_MS,
    },
    logger,
    ({ epoch }) => metrics.cacheEpoch.set({ replica: name }, epoch),
  );

/** The replica's HTTP routes: health, metrics, its OpenAPI document, and the reads of its public entities. */
export function replicaApp(
  { settings, logger, metrics, project }: ServiceDeps,
  name: string,
  parts: {
    readonly entities: readonly EntityReplica[];
    /** Milliseconds that this process is behind the log; undefined while that is unknown. */
    readonly lagMs: () => number | undefined;
    readonly checks: readonly Check[];
  },
): Hono {
  const app = serviceApp({ checks: parts.checks, metrics, logger });
  const waits = { waitMs: settings.LOCKSTEP_READ_WAIT_MS, maxWaitMs: settings.LOCKSTEP_MAX_WAIT_MS };
  for (const { entity, lookup, rows, freshness } of parts.entities.filter(isPublic))
    addReads(app, { lookup, rows, freshness, metrics, lagMs: parts.lagMs, ...waits }, entity, name);
  serveDescription(app, "/openapi.json", () => replicaOpenApi(project, name));
  return app;
}
