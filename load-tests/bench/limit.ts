/**
 * The comparison of `bench --limit`: PostgreSQL's own logical replication of the same table on the same machine. A
 * source and two subscribers run the stack's PostgreSQL with the stack's settings. There is no gateway, log, cache,
 * version check or receipt.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import postgres from "postgres";
import { quotedTable } from "../../contracts/entity/table.ts";
import type { Migration, Project } from "../../contracts/project.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { freePort } from "../../stack/ports.ts";
import { startPostgres } from "../../stack/servers/postgres.ts";
import type { Server } from "../../stack/servers/server.ts";
import { NotYetError, waitFor } from "../../stack/wait-for.ts";
import { workloadOf } from "../workload/workload.ts";
import type { Database } from "./databases.ts";
import type { SystemUnderTest } from "./measurement.ts";

/** Each subscriber has the table of this replica, which contains every field. */
export const SUBSCRIBED_REPLICA = "catalog";
const SUBSCRIBERS = ["first copy", "second copy"];
/** Without these triggers a change is only in the WAL. The trigger that counts versions stays. */
const CAPTURE_TRIGGERS = ["lockstep_inserted", "lockstep_updated", "lockstep_deleted"];
const SYNC_WAIT = { timeoutMs: 60_000, intervalMs: 50 };

/** A project, and the migrations of its two sides. */
export interface Schemas {
  readonly project: Project;
  readonly source: readonly Migration[];
  /** Migrations of the replica with this name. */
  readonly replica: (name: string) => readonly Migration[];
}

type NamedDatabase = Database & { readonly name: string };

/** The running comparison. */
export interface Limit extends SystemUnderTest {
  /** Stops all servers and removes their data. May be called more than once. */
  stop(): Promise<void>;
}

/**
 * Starts the source and its subscribers on free ports and in a temporary folder.
 *
 * @param signal aborts the start, which then leaves nothing behind.
 * @throws {UserError} when a server does not start.
 */
export async function startLimit(schemas: Schemas, signal?: AbortSignal): Promise<Limit> {
  const dir = mkdtempSync(join(tmpdir(), "lockstep-limit-"));
  const servers: Server[] = [];
  const databases: NamedDatabase[] = [];
  let stopping: Promise<void> | undefined;
  const stopAll = async () => {
    await Promise.all(databases.map(({ sql }) => sql.end()));
    // Subscribers first: a source that stops waits for its subscribers.
    for (const server of servers.toReversed()) await server.stop();
    rmSync(dir, { recursive: true, force: true });
  };
  const stop = () => (stopping ??= stopAll());
  const start = async (name: string, migrations: readonly Migration[]): Promise<NamedDatabase> => {
    const port = await freePort();
    const settings = { wal_level: "logical", wal_keep_size: "1GB" };
    const options = { name, dir: join(dir, String(port)), port, database: "lockstep", settings };
    const server = await startPostgres(signal ? { ...options, signal } : options);
    servers.push(server);
    signal?.throwIfAborted();
    await migrate(server.url, migrations, pino({ level: "silent" }));
    const database = { name, url: server.url, sql: postgres(server.url, { max: 1, onnotice: () => {} }) };
    databases.push(database);
    return database;
  };
  try {
    const workload = await workloadOf(schemas.project);
    const table = quotedTable(workload.entity.table);
    const source = await start("source", schemas.source);
    for (const trigger of CAPTURE_TRIGGERS) await source.sql.unsafe(`drop trigger ${trigger} on ${table}`);
    const replicas: NamedDatabase[] = [];
    for (const name of SUBSCRIBERS) replicas.push(await start(name, schemas.replica(SUBSCRIBED_REPLICA)));
    for (const [i, replica] of replicas.entries()) await subscribe(source, replica, `lockstep_limit_${i + 1}`, table);
    const processes = servers.map(({ name, kind, pid }) => ({ name, kind, pid }));
    const { project } = schemas;
    const noCaches = { redis: "", replicaUrls: new Map() };
    return { project, workload, gateway: source.url, ...noCaches, source, replicas, processes, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Subscribes to the columns of the subscriber's table. Resolves when the initial copy of the table has finished. */
async function subscribe(source: NamedDatabase, subscriber: NamedDatabase, name: string, table: string): Promise<void> {
  await subscriber.sql`create extension pg_walinspect`;
  const [row] = await subscriber.sql<{ columns: string }[]>`
    select string_agg(quote_ident(column_name), ', ') as columns
    from information_schema.columns where (quote_ident(table_schema) || '.' || quote_ident(table_name))::regclass
      = ${table}::regclass`;
  await source.sql.unsafe(`create publication ${name} for table ${table} (${row?.columns})`);
  await subscriber.sql.unsafe(`create subscription ${name} connection '${source.url}' publication ${name}`);
  await waitFor(`${subscriber.name} to copy the table`, SYNC_WAIT, async () => {
    const [pending] = await subscriber.sql`select from pg_subscription_rel where srsubstate <> 'r'`;
    if (pending) throw new NotYetError("the initial copy has not finished");
  });
}
