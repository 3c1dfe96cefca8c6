/**
 * What to compare with: PostgreSQL's own logical replication of the same table on the same machine. A source and two subscribers with the
 * stack's own PostgreSQL and settings; no gateway, no log, no cache, no order of versions, nothing that is told or proved.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import postgres, { type Sql } from "postgres";
import { type Migration, migrate } from "../../platform/postgres/migrate.ts";
import { freePort } from "../../stack/ports.ts";
import { startPostgres } from "../../stack/servers/postgres.ts";
import type { Server } from "../../stack/servers/server.ts";
import type { Subject } from "./measure.ts";
import { entity } from "./product.ts";

/** The replica whose table each subscriber has: the full copy. */
export const COPY = "catalog";
const SUBSCRIBERS = ["first copy", "second copy"];
/** The capture's triggers: without them a change is only in the WAL. The one that counts versions stays. */
const CAPTURE = ["lockstep_inserted", "lockstep_updated", "lockstep_deleted"];

/** Migrations of the two sides that the limit replicates between. */
export interface Schemas {
  readonly source: readonly Migration[];
  /** Migrations of the replica with this name. */
  readonly replica: (name: string) => readonly Migration[];
}

interface Site {
  readonly name: string;
  readonly url: string;
  readonly sql: Sql;
}

export interface Limit extends Subject {
  /** Stops all of it and leaves nothing. Harmless twice. */
  end(): Promise<void>;
}

/**
 * Starts all of it on free ports and in a folder of its own.
 *
 * @param interrupted aborted when nobody waits any more: nothing is left then.
 * @throws {Failure} when a server does not start.
 */
export async function startLimit(schemas: Schemas, interrupted?: AbortSignal): Promise<Limit> {
  const dir = mkdtempSync(join(tmpdir(), "lockstep-limit-"));
  const servers: Server[] = [];
  const sites: Site[] = [];
  let ended: Promise<void> | undefined;
  const stop = async () => {
    await Promise.all(sites.map(({ sql }) => sql.end()));
    // Subscribers first: a source waits for those that follow it before it stops.
    for (const server of servers.toReversed()) await server.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  const end = () => (ended ??= stop());
  const start = async (name: string, migrations: readonly Migration[]): Promise<Site> => {
    const port = await freePort();
    const settings = { wal_level: "logical", wal_keep_size: "1GB" };
    const at = { name, dir: join(dir, String(port)), port, database: "lockstep", settings };
    const server = await startPostgres(interrupted ? { ...at, signal: interrupted } : at);
    servers.push(server);
    interrupted?.throwIfAborted();
    await migrate(server.url, migrations, pino({ level: "silent" }));
    const site = { name, url: server.url, sql: postgres(server.url, { max: 1, onnotice: () => {} }) };
    sites.push(site);
    return site;
  };
  try {
    const source = await start("source", schemas.source);
    for (const trigger of CAPTURE) await source.sql.unsafe(`drop trigger ${trigger} on ${entity.plural}`);
    const replicas: Site[] = [];
    for (const name of SUBSCRIBERS) replicas.push(await start(name, schemas.replica(COPY)));
    for (const [i, replica] of replicas.entries()) await follow(source, replica, `lockstep_limit_${i + 1}`);
    const processes = servers.map(({ name, kind, pid }) => ({ name, kind, pid }));
    return { gateway: source.url, redis: "", source, replicas, replicaUrls: new Map(), processes, end };
  } catch (error) {
    await end();
    throw error;
  }
}

/** The subscriber gets the columns that it has, and is up to date with the empty table when this resolves. */
async function follow(source: Site, replica: Site, name: string): Promise<void> {
  await replica.sql`create extension pg_walinspect`;
  const [row] = await replica.sql<{ columns: string }[]>`
    select string_agg(quote_ident(column_name), ', ') as columns
    from information_schema.columns where table_schema = 'public' and table_name = ${entity.plural}`;
  await source.sql.unsafe(`create publication ${name} for table ${entity.plural} (${row?.columns})`);
  await replica.sql.unsafe(`create subscription ${name} connection '${source.url}' publication ${name}`);
  for (;;) {
    const [left] = await replica.sql`select from pg_subscription_rel where srsubstate <> 'r'`;
    if (!left) return;
    await Bun.sleep(50);
  }
}
