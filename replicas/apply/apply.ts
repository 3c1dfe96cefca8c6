/**
 * Calls the SQL functions that apply a batch to a replica's table: the table's own function for a whole batch
 * (migrations/0009-any-table.sql), and `lockstep.apply_isolated` for a batch with rejected rows
 * (migrations/0010-isolate-any-key.sql).
 */

import type { Document, EntityId, Version } from "../../contracts/entity/document.ts";
import { quotedName } from "../../contracts/entity/table.ts";
import { LockstepError } from "../../contracts/errors.ts";
import type { RoutedEvent } from "../../contracts/routed-event.ts";
import { listText } from "../../platform/postgres/connect.ts";
import type { Database } from "../../platform/postgres/database.ts";
import { codeOf, isReadOnly, isRejected } from "../../platform/postgres/errors.ts";
import type { ReplicaTable } from "../table.ts";
import { type Rejection, TableRejectsError, type TableTest } from "./rejection-tracker.ts";

/** An entity's state as of a version. A null document deletes the entity. */
export type Change = Pick<RoutedEvent, "id" | "version" | "document" | "digest" | "resend">;

/** SQLSTATE that `lockstep.hold_epoch` raises. */
const EPOCH_MOVED = "LS001";
const UNDEFINED_FUNCTION = "42883";

/** State of the cache that a batch was prepared for. PostgreSQL refuses to commit when it has changed. */
export interface CacheGuard {
  /** The cache's epoch. */
  readonly epoch: number;
  /**
   * `fenced`: for this batch. `off`: for every process. `away`: Redis is unreachable; the cache stays off for 3 s.
   */
  readonly cache: "fenced" | "off" | "away";
}

/** The cache's epoch is not the one that the batch was prepared for. Nothing was applied. */
export class EpochMovedError extends LockstepError {
  constructor(cause: unknown) {
    super("EPOCH_MOVED", cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** Result of a batch. Changes in neither map were applied. */
export interface ApplyResult {
  /** Entities whose change was not newer, with the version that PostgreSQL has. */
  readonly unchanged: ReadonlyMap<EntityId, Version>;
  /** Applied entities whose row differs from the event's document, because a trigger of the table changed it. */
  readonly altered: ReadonlySet<EntityId>;
  readonly rejected: ReadonlyMap<EntityId, Rejection>;
}

/**
 * Applies changes in one statement, all or none. A change that is not newer than what PostgreSQL has is ignored. A
 * resent change (`resend`) also replaces the same version.
 *
 * @param changes each entity once.
 * @throws {EpochMovedError} when `guard` is out of date.
 * @throws the database's error. After a lost connection the batch may be applied, not applied, or applied later.
 */
export async function applyChanges(
  database: Database,
  table: ReplicaTable,
  changes: readonly Change[],
  guard: CacheGuard,
): Promise<ApplyResult> {
  const statement = `select id, version from lockstep.${quotedName(await table.applyFunction(database))}(${PARAMETERS})`;
  const documents = changes.filter(hasDocument).map((change) => table.rowOf(change));
  const rows = await query<ReportedRow>(database, table, statement, parametersOf(changes, documents, guard));
  return { ...reportedRows(rows), rejected: new Map() };
}

/** What the apply function reports: an entity that was not newer, or one whose row a trigger changed. */
interface ReportedRow {
  readonly id: EntityId;
  /** Null: a trigger changed the row. */
  readonly version: string | null;
}

const NOTHING_REPORTED: Omit<ApplyResult, "rejected"> = { unchanged: new Map(), altered: new Set() };

function reportedRows(rows: readonly ReportedRow[]): Omit<ApplyResult, "rejected"> {
  if (rows.length === 0) return NOTHING_REPORTED;
  const unchanged = new Map<EntityId, Version>();
  const altered = new Set<EntityId>();
  for (const { id, version } of rows)
    if (version === null) altered.add(id);
    else unchanged.set(id, Number(version));
  return { unchanged, altered };
}

interface IsolatedRow extends Rejection {
  /** Null for a rejected change. */
  readonly id: EntityId | null;
  readonly version: string | null;
  /** Position of a rejected change in the batch, from 1. */
  readonly place: number;
}

/**
 * Applies all changes except those that the table rejects. The statement finds the rejected ones by halving the batch.
 *
 * @throws as {@link applyChanges}; nothing is applied then. Also an error that a row may have caused: of a cancelled
 * statement, for example.
 */
export async function applyEach(
  database: Database,
  table: ReplicaTable,
  changes: readonly Change[],
  guard: CacheGuard,
): Promise<ApplyResult> {
  const statement = `select * from lockstep.apply_isolated($9, ${PARAMETERS})`;
  const documents = changes.map((change) => (hasDocument(change) ? table.rowOf(change) : null));
  const name = await table.applyFunction(database);
  const rows = await query<IsolatedRow>(database, table, statement, [...parametersOf(changes, documents, guard), name]);
  const rejected = new Map<EntityId, Rejection>();
  const reported: ReportedRow[] = [];
  for (const { id, version, place, code, message, names, raised } of rows)
    if (id !== null) reported.push({ id, version });
    else rejected.set(changes[place - 1]!.id, { code, message, names, raised });
  return { ...reportedRows(reported), rejected };
}

/** Parameters of both functions: ids, versions, deleted, digests, documents, resent ids, cache epoch, cache state. */
const PARAMETERS =
  "$1::text::text[], $2::text::bigint[], $3::text::boolean[], $4::text::bigint[], $5::text::json, $6::text::text[], $7, $8";

const parametersOf = (
  changes: readonly Change[],
  documents: readonly unknown[],
  guard: CacheGuard,
): (string | number)[] => [...batchParameters(changes, documents), guard.epoch, guard.cache];

/** The first six parameters. @param documents in the order of the changes. */
export function batchParameters(changes: readonly Change[], documents: readonly unknown[]): string[] {
  const resent = changes.filter(({ resend }) => resend !== undefined);
  return [
    listText(changes.map(({ id }) => id)),
    listText(changes.map(({ version }) => version)),
    listText(changes.map(({ document }) => document === null)),
    listText(changes.map(({ digest }) => digest ?? null)),
    JSON.stringify(documents),
    listText(resent.map(({ id }) => id)),
  ];
}

/** True for a change that does not delete its entity. */
export const hasDocument = (change: Change): change is Change & { readonly document: Document } =>
  change.document !== null;

async function query<Row extends object>(
  database: Database,
  table: ReplicaTable,
  statement: string,
  parameters: (string | number)[],
): Promise<Row[]> {
  try {
    return await database.query((sql) => sql.unsafe<Row[]>(statement, parameters, { prepare: true }));
  } catch (error) {
    if (isEpochMoved(error)) throw new EpochMovedError(error);
    // The database was restored from a backup that does not have the function: the next attempt creates it.
    if (codeOf(error) === UNDEFINED_FUNCTION) table.forget();
    throw error;
  }
}

/** A trigger of the table may raise the same code, so the function that raised it counts too. */
function isEpochMoved(error: unknown): boolean {
  const { code, where } = error as { code?: unknown; where?: unknown };
  return code === EPOCH_MOVED && String(where).includes("lockstep.hold_epoch(");
}

/**
 * Creates the table's apply function, if the database does not have it.
 *
 * @throws {TableRejectsError} when the table is missing or does not fit the declaration; the message says what to
 * change.
 */
export async function prepareTable(database: Database, table: ReplicaTable): Promise<void> {
  await table.applyFunction(database).catch((error) => {
    // The function of an earlier start is there, or applies fail until the database accepts writes.
    if (!isReadOnly(error)) throw error;
  });
}

/**
 * Tests a table by writing some of its rows again in a transaction that is rolled back.
 *
 * @returns `accepts` when the table accepts at least one row; `rejects` also when the database rejects all writes.
 * @throws {DatabaseUnavailableError} and other connection errors.
 */
export async function testTable(database: Database, table: ReplicaTable): Promise<TableTest> {
  const { name, options, description } = table;
  try {
    const apply = await table.applyFunction(database);
    const [row] = await database.query(
      (sql) => sql<{ accepts: boolean | null }[]>`
        select lockstep.takes_rows(${apply}::text, to_regclass(${name}), ${description.entity.name}::text,
          ${options}::text::jsonb) as accepts`,
    );
    if (row?.accepts === null) return "empty";
    return row?.accepts ? "accepts" : "rejects";
  } catch (error) {
    // The table does not fit its declaration, or a function is missing or forbidden.
    if (error instanceof TableRejectsError || isRejected(error)) return "rejects";
    throw error;
  }
}
