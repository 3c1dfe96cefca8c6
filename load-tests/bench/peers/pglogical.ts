/**
 * PostgreSQL's own logical replication of the same table to two copies, for `bench --against pglogical`. There is no
 * gateway, log, cache, version check or receipt.
 */
import { quotedTable } from "../../../contracts/entity/table.ts";
import { NotYetError, waitFor } from "../../../stack/wait-for.ts";
import { workloadOf } from "../../workload/workload.ts";
import { type NamedDatabase, type Peer, PeerServers, type Schemas } from "./peer-servers.ts";

const SUBSCRIBERS = ["first copy", "second copy"];
const SYNC_WAIT = { timeoutMs: 60_000, intervalMs: 50 };

/**
 * Starts the source and its subscribers on free ports and in a temporary folder.
 *
 * @param signal aborts the start, which then leaves nothing behind.
 * @throws {UserError} when a server does not start.
 */
export async function startPglogical(schemas: Schemas, signal?: AbortSignal): Promise<Peer> {
  const servers = new PeerServers(schemas, signal);
  try {
    const { project } = schemas;
    const workload = await workloadOf(project);
    const table = quotedTable(workload.entity.table);
    const source = await servers.startSource(workload.entity);
    const replicas: NamedDatabase[] = [];
    for (const name of SUBSCRIBERS) replicas.push(await servers.startCopy(name));
    for (const [i, replica] of replicas.entries()) await subscribe(source, replica, `lockstep_limit_${i + 1}`, table);
    const { processes } = servers;
    const absent = { redis: "", replicaUrls: new Map(), services: [] };
    return {
      project,
      workload,
      gateway: source.url,
      ...absent,
      source,
      replicas,
      processes,
      stop: () => servers.stop(),
    };
  } catch (error) {
    await servers.stop();
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
