/** Wires the gateway: settings, the source's PostgreSQL, the routes of every entity. */
import { entities } from "../contracts/entities/index.ts";
import { withDeadline } from "../platform/deadline.ts";
import { serveHttp, serviceApp } from "../platform/http.ts";
import { migrate } from "../platform/migrate.ts";
import { connectPool } from "../platform/postgres.ts";
import type { Running } from "../platform/run.ts";
import type { Service } from "../platform/service.ts";
import { migrations } from "./migrations/index.ts";
import { addRoutes } from "./routes.ts";
import { EntityStore } from "./write.ts";

const PING_EVERY_MS = 1_000;
/** Requests that may wait for each connection of the pool. */
const WAITING_PER_CONNECTION = 50;

/** @throws {Error} when DATABASE_URL is missing, or the database cannot be reached at the start. */
export async function startGateway({ settings, logger, metrics }: Running): Promise<Service> {
  const url = settings.DATABASE_URL;
  if (!url) throw new Error("DATABASE_URL is not set: the gateway needs the source's PostgreSQL");
  await migrate(url, migrations, logger);
  const sql = connectPool(url, {
    max: settings.LOCKSTEP_DATABASE_POOL,
    name: "lockstep-gateway",
    statementTimeoutMs: settings.LOCKSTEP_STATEMENT_TIMEOUT_MS,
  });
  let away: string | undefined;
  const ping = async () => {
    try {
      await withDeadline(sql`select 1`, PING_EVERY_MS * 2, "The database");
      away = undefined;
    } catch (error) {
      away = error instanceof Error ? error.message : String(error);
    }
  };
  await ping();
  const pinging = setInterval(() => void ping(), PING_EVERY_MS);
  const app = serviceApp({ checks: [{ name: "database", problem: () => away }], metrics, logger });
  for (const entity of entities) {
    const store = new EntityStore(sql, entity, {
      timeoutMs: settings.LOCKSTEP_STATEMENT_TIMEOUT_MS + 500,
      maxWaiting: settings.LOCKSTEP_DATABASE_POOL * WAITING_PER_CONNECTION,
    });
    addRoutes(app, store, settings.LOCKSTEP_MAX_BODY_BYTES);
  }
  const http = serveHttp(app, settings);
  logger.info({ listening: http.url }, "gateway is up");

  const ended = Promise.withResolvers<void>();
  return {
    ended: ended.promise,
    async stop() {
      await http.stop();
      clearInterval(pinging);
      await sql.end({ timeout: 2 });
      ended.resolve();
    },
  };
}
