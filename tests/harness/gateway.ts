/** Starts a gateway in this process with its own database. */
import postgres, { type Sql } from "postgres";
import type { Project } from "../../contracts/project.ts";
import { type Gateway, startGateway } from "../../gateway/main.ts";
import { createLogger } from "../../observability/logger.ts";
import { createMetrics } from "../../observability/metrics.ts";
import { readSettings } from "../../platform/settings/settings.ts";
import { project } from "../project/index.ts";
import { freshDatabase } from "./servers.ts";

/** A running gateway. Disposing it stops the gateway and closes `sql`. */
export interface TestGateway extends AsyncDisposable {
  readonly url: string;
  readonly routes: Gateway["routes"];
  readonly databaseUrl: string;
  /** A direct connection to the database, as psql has one. */
  readonly sql: Sql;
}

/**
 * Starts the gateway on a free port.
 *
 * @param env settings that differ from their defaults.
 * @param of the project. Default: that of the tests.
 */
export async function testGateway(env: Record<string, string> = {}, of: Project = project): Promise<TestGateway> {
  const databaseUrl = env.DATABASE_URL ?? (await freshDatabase());
  const settings = readSettings({ PORT: "0", ...env, DATABASE_URL: databaseUrl });
  const logger = createLogger("gateway", "1", "silent");
  const gateway = await startGateway({ settings, logger, metrics: createMetrics("gateway", "1"), project: of });
  const sql = postgres(databaseUrl, { max: 8, onnotice: () => {} });
  return {
    url: gateway.url,
    routes: gateway.routes,
    databaseUrl,
    sql,
    async [Symbol.asyncDispose]() {
      await gateway.stop();
      await sql.end({ timeout: 1 });
    },
  };
}

/** Returns the rows of the outbox, oldest first. @param id only those of this entity. */
export const outbox = (sql: Sql, id?: string): Promise<OutboxRow[]> =>
  sql<OutboxRow[]>`
    select id, version::int as version, operation, data, traceparent, actor from lockstep.outbox
    where ${id ?? null}::text is null or id = ${id ?? null}::text order by seq`;

/** A row of the outbox. */
export interface OutboxRow {
  readonly id: string;
  readonly version: number;
  readonly operation: string;
  readonly data: Record<string, unknown> | null;
  readonly traceparent: string | null;
  readonly actor: string | null;
}
