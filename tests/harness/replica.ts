/** A replica's database and changes on real servers, without the log: for tests that apply batches directly. */
import postgres, { type Sql } from "postgres";
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import type { EventMessage } from "../../contracts/event.ts";
import { encodeRouted, routedHeaders } from "../../contracts/routed-event.ts";
import { createLogger } from "../../observability/logger.ts";
import { connectPool } from "../../platform/postgres/connect.ts";
import { Database } from "../../platform/postgres/database.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { type Change, prepareTable } from "../../replicas/apply/apply.ts";
import { migrationsOf } from "../../replicas/migrations/index.ts";
import { type ReplicaTable, replicaTable } from "../../replicas/table.ts";
import { product, project } from "../project/index.ts";
import { eventually } from "./eventually.ts";
import { freshDatabase } from "./servers.ts";

/** A logger that writes nothing. */
export const silentLogger = createLogger("test", "1", "silent");

/** The entity of these tests. */
export const entity: EntityDeclaration = product;

/** Returns a declared replica of {@link entity}. @throws {Error} when there is none of this name. */
export const replicaOf = (name: string): ReplicaDeclaration => {
  const replica = entity.replicas.find((r) => r.name === name);
  if (!replica) throw new Error(`${entity.name} declares no replica ${name}`);
  return replica;
};

/** A migrated database of a replica. Disposing it closes both clients. */
export interface ReplicaDatabase extends AsyncDisposable {
  readonly url: string;
  /** The client that the replica's code uses. */
  readonly database: Database;
  /** The table of {@link entity}, whose apply function exists. */
  readonly table: ReplicaTable;
  /** A separate client for the test's own queries. */
  readonly sql: Sql;
}

/** Creates a database with the replica's schema. */
export async function replicaDatabase(name: string, statementTimeoutMs = 10_000): Promise<ReplicaDatabase> {
  const url = await freshDatabase();
  await migrate(url, migrationsOf(project, name), silentLogger);
  const database = openDatabase(url, statementTimeoutMs);
  const table = replicaTable(entity, replicaOf(name));
  await prepareTable(database, table);
  const sql = postgres(url, { max: 4, onnotice: () => {} });
  return {
    url,
    database,
    table,
    sql,
    async [Symbol.asyncDispose]() {
      await database.close();
      await sql.end({ timeout: 1 });
    },
  };
}

/** Opens the pool of one process: at most 3 connections. */
export const openDatabase = (url: string, statementTimeoutMs = 10_000): Database =>
  new Database(() => connectPool(url, { max: 3, name: "test", statementTimeoutMs }), {
    deadlineMs: statementTimeoutMs + 2_000,
    silenceMs: statementTimeoutMs + 2_000,
    maxPending: 1_000,
  });

const at = "2026-01-02T03:04:05.678Z";

/** Returns a document of the catalog whose name and stock contain its version. */
export const document = (id: string, version: number, overrides: Document = {}): Document => ({
  sku: `sku-${id.slice(0, 8)}`,
  name: `at version ${version}`,
  description: "",
  price: "19.90",
  currency: "BRL",
  stock: version,
  status: "active",
  tags: ["a", "b"],
  ...overrides,
  id,
  version,
  createdAt: at,
  updatedAt: at,
});

/** Returns a change as the stream writes it to the catalog's topic. @param overrides null makes it a delete. */
export function routedMessage(id: string, version: number, overrides: Document | null = {}): EventMessage {
  const operation = overrides ? ("upserted" as const) : ("deleted" as const);
  const time = new Date().toISOString();
  const event = { entity: entity.name, id, version, operation, time, schemaVersion: 1, document: null };
  return encodeRouted(event, overrides && document(id, version, overrides), routedHeaders(event, 0, undefined));
}

/** Returns a change that inserts or updates a document. */
export const upsertChange = (id: string, version: number, overrides: Document = {}): Change => ({
  id,
  version,
  document: document(id, version, overrides),
});

/** Returns a change that deletes an entity. */
export const deleteChange = (id: string, version: number): Change => ({ id, version, document: null });

/** Waits until `count` statements wait for a lock in this database. */
export const waitingForLocks = ({ sql }: Pick<ReplicaDatabase, "sql">, count: number) =>
  eventually(
    async () => {
      const [row] = await sql`
        select count(*)::int as n from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`;
      return row!.n >= count;
    },
    { timeoutMs: 10_000, what: `${count} statements to wait for a lock`, everyMs: 2 },
  );

/** Returns a random entity id. */
export const newId = (): string => crypto.randomUUID();
