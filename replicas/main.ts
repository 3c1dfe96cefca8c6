/** Wires one replica: its PostgreSQL, its cache, the log, its HTTP reads. Any number of processes may run the same replica. */
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
import { Lag } from "./lag.ts";
import { migrationsOf } from "./migrations/index.ts";
import { replicaOpenApi } from "./reads/openapi.ts";
import { addReads } from "./reads/routes.ts";
import { isReplicated, keptBy, Replica } from "./replica.ts";
import { Flow } from "./replica-consumer.ts";

/** @throws {Error} when DATABASE_URL is missing, or the database or brokers cannot be reached at the start. */
export async function startReplica(running: ServiceDeps, name: string): Promise<Service> {
  const { settings, logger, metrics } = running;
  const databaseUrl = settings.DATABASE_URL;
  if (!databaseUrl) throw new Error(`DATABASE_URL is not set: replica ${name} needs a PostgreSQL of its own`);
  let flow: Flow | undefined;
  const lag = new Lag(() => flow?.follower?.fetchAgeMs());
  const replica = replicaOf(running, name, databaseUrl);
  replica.show(metrics);
  const health = healthChecks({
    follower: () => flow?.follower,
    tableProblem: () => flow?.tableProblem(),
    epoch: replica.epoch,
    redis: replica.redis,
  });
  const pause = new PauseControl({ logger, metrics });
  const positions = { name: "positions", problem: () => flow?.positionsProblem() };
  const checks = [...health.checks, positions, pause.check];
  const http = serveHttp(replicaApp(running, name, replica, lag, checks), settings);

  await migrate(databaseUrl, migrationsOf(name), logger);
  await replica.start(health.databaseAnswered);
  const log = await connectLog({ ...brokerOptions(settings), clientId: `lockstep-replica-${name}`, logger });
  const started = new Flow({ ...running, name, databaseUrl, replica, log, lag, pause });
  flow = started;
  const { ended } = await started.start();
  http.listenShared();

  return {
    ended,
    async stop() {
      await started.close();
      await log.close();
      await http.stop();
      await replica.close();
    },
  };
}

const replicaOf = ({ settings, logger, metrics }: ServiceDeps, name: string, databaseUrl: string): Replica =>
  new Replica(
    {
      name,
      databaseUrl,
      redisUrl: settings.REDIS_URL,
      kept: keptBy(name),
      connections: settings.LOCKSTEP_DATABASE_POOL,
      statementTimeoutMs: settings.LOCKSTEP_STATEMENT_TIMEOUT_MS,
    },
    logger,
    ({ epoch }) => metrics.cacheEpoch.set({ replica: name }, epoch),
  );

/** All that a replica answers. */
export function replicaApp(
  { settings, logger, metrics }: ServiceDeps,
  name: string,
  replica: Pick<Replica, "entities">,
  lag: Lag,
  checks: readonly Check[],
): Hono {
  const app = serviceApp({ checks, metrics, logger });
  const reading = {
    metrics,
    lagMs: () => lag.ms(Date.now()),
    waitMs: settings.LOCKSTEP_READ_WAIT_MS,
    maxWaitMs: settings.LOCKSTEP_MAX_WAIT_MS,
  };
  for (const kept of replica.entities.filter(isReplicated)) addReads(app, { ...reading, ...kept }, kept.entity, name);
  serveDescription(app, "/openapi.json", () => replicaOpenApi(name));
  return app;
}
