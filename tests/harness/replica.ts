/** A replica's own parts on real servers, without the log in front: for tests of what a replica does with its batches. */
import postgres, { type Sql } from "postgres";
import { product } from "../../contracts/entities/product.ts";
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
import { freshDatabase } from "./servers.ts";

export const silentLogger = createLogger("test", "1", "silent");

export const entity: EntityDeclaration = product;

export const replicaOf = (name: string): ReplicaDeclaration => {
  const replica = entity.replicas.find((r) => r.name === name);
  if (!replica) throw new Error(`no replica ${name}`);
  return replica;
};

export interface ReplicaDatabase extends AsyncDisposable {
  readonly url: string;
  /** As the replica uses it. */
  readonly database: Database;
  /** For the test's own questions. */
  readonly sql: Sql;
}

/** A new database with the replica's schema. */
export async function replicaDatabase(name: string, statementTimeoutMs = 10_000): Promise<ReplicaDatabase> {
  const url = await freshDatabase();
  await migrate(url, migrationsOf(name), silentLogger);
  const database = openDatabase(url, statementTimeoutMs);
  await prepareTable(database, entity, replicaOf(name));
  const sql = postgres(url, { max: 4, onnotice: () => {} });
  return {
    url,
    database,
    sql,
    async [Symbol.asyncDispose]() {
      await database.close();
      await sql.end({ timeout: 1 });
    },
  };
}

/** Connections of one process. */
export const openDatabase = (url: string, statementTimeoutMs = 10_000): Database =>
  new Database(() => connectPool(url, { max: 3, name: "test", statementTimeoutMs }), {
    deadlineMs: statementTimeoutMs + 2_000,
    silenceMs: statementTimeoutMs + 2_000,
    maxPending: 1_000,
  });

const at = "2026-01-02T03:04:05.678Z";

/** A document of the catalog, its version written into it. */
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

/** A change as the stream writes it to the catalog's topic. */
export function routedMessage(id: string, version: number, given: Document | null = {}): EventMessage {
  const operation = given ? ("upserted" as const) : ("deleted" as const);
  const time = new Date().toISOString();
  const event = { entity: entity.name, id, version, operation, time, schemaVersion: 1, document: null };
  return encodeRouted(event, given && document(id, version, given), routedHeaders(event, 0, undefined));
}

export const upsertChange = (id: string, version: number, given: Document = {}): Change => ({
  id,
  version,
  document: document(id, version, given),
});

export const deleteChange = (id: string, version: number): Change => ({ id, version, document: null });

export const newId = (): string => crypto.randomUUID();
