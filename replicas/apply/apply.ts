/**
 * Calls the SQL functions that apply a batch to a replica's table: `lockstep.apply_<table>` for a whole batch, and
 * `lockstep.apply_isolated` for a batch with rejected rows (migrations/0007-rows-at-fault.sql).
 */

import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import { systemFields } from "../../contracts/entity/fields.ts";
import { columnOf, rowOf } from "../../contracts/entity/row.ts";
import { LockstepError } from "../../contracts/errors.ts";
import type { RoutedEvent } from "../../contracts/routed-event.ts";
import { listText } from "../../platform/postgres/connect.ts";
import type { Database } from "../../platform/postgres/database.ts";
import { isReadOnly, isRejected } from "../../platform/postgres/errors.ts";
import { quoted } from "../quoted.ts";
import type { Rejection, TableTest } from "./rejection-tracker.ts";

/** An entity's state as of a version. A null document deletes the entity. */
export type Change = Pick<RoutedEvent, "id" | "version" | "document" | "digest" | "resend">;

/** SQLSTATE that `lockstep.hold_epoch` raises. */
const EPOCH_MOVED = "LS001";

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
  table: string,
  changes: readonly Change[],
  guard: CacheGuard,
): Promise<ApplyResult> {
  const statement = `select id, version from lockstep.${quoted(`apply_${table}`)}(${PARAMETERS})`;
  const documents = changes.filter(({ document }) => document).map(rowOfChange);
  const rows = await query<ReportedRow>(database, statement, parametersOf(changes, documents, guard));
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
  table: string,
  changes: readonly Change[],
  guard: CacheGuard,
): Promise<ApplyResult> {
  const statement = `select * from lockstep.apply_isolated($9, ${PARAMETERS})`;
  const documents = changes.map((change) => change.document && rowOfChange(change));
  const rows = await query<IsolatedRow>(database, statement, [...parametersOf(changes, documents, guard), table]);
  const rejected = new Map<EntityId, Rejection>();
  const reported: ReportedRow[] = [];
  for (const { id, version, place, code, message, names, raised } of rows)
    if (id !== null) reported.push({ id, version });
    else rejected.set(changes[place - 1]!.id, { code, message, names, raised });
  return { ...reportedRows(reported), rejected };
}

/** Parameters of both functions: ids, versions, deleted, digests, documents, resent ids, cache epoch, cache state. */
const PARAMETERS =
  "$1::text::uuid[], $2::text::bigint[], $3::text::boolean[], $4::text::bigint[], $5::text::json, $6::text::uuid[], $7, $8";

function parametersOf(
  changes: readonly Change[],
  documents: readonly unknown[],
  guard: CacheGuard,
): (string | number)[] {
  const resent = changes.filter(({ resend }) => resend !== undefined);
  return [
    listText(changes.map(({ id }) => id)),
    listText(changes.map(({ version }) => version)),
    listText(changes.map(({ document }) => document === null)),
    listText(changes.map(({ digest }) => digest ?? null)),
    JSON.stringify(documents),
    listText(resent.map(({ id }) => id)),
    guard.epoch,
    guard.cache,
  ];
}

/** The change's own id and version win over those in its document. */
const rowOfChange = ({ document, id, version }: Change) => Object.assign(rowOf(document!), { id, version });

async function query<Row extends object>(
  database: Database,
  statement: string,
  parameters: (string | number)[],
): Promise<Row[]> {
  try {
    return await database.query((sql) => sql.unsafe<Row[]>(statement, parameters, { prepare: true }));
  } catch (error) {
    if (isEpochMoved(error)) throw new EpochMovedError(error);
    throw error;
  }
}

/** A trigger of the table may raise the same code, so the function that raised it counts too. */
function isEpochMoved(error: unknown): boolean {
  const { code, where } = error as { code?: unknown; where?: unknown };
  return code === EPOCH_MOVED && String(where).includes("lockstep.hold_epoch(");
}

/** Columns of a replica's table: those of the declaration and the system fields. */
export const columnsOf = (replica: ReplicaDeclaration): string[] =>
  Object.keys({ ...systemFields, ...replica.fields }).map(columnOf);

/**
 * Creates or replaces the table's apply function, so that it matches the table's columns.
 *
 * @throws {Error} when the table or a declared column is missing; the message names the column and where to add a
 * migration.
 */
export async function prepareTable(
  database: Database,
  entity: EntityDeclaration,
  replica: ReplicaDeclaration,
): Promise<void> {
  const table = quoted(entity.plural);
  const rows = await database.query(
    (sql) => sql<{ column: string }[]>`
      select attname as column from pg_attribute
      where attrelid = to_regclass(${table}) and attnum > 0 and not attisdropped`,
  );
  const existing = new Set(rows.map((row) => row.column));
  const missing = columnsOf(replica).filter((column) => !existing.has(column));
  if (missing.length > 0)
    throw new Error(
      `replica ${replica.name}: table ${entity.plural} has no ${missing.join(", ")}; add a migration of replica ${replica.name} to the project`,
    );
  await database
    .query((sql) => sql`select lockstep.replicate(${table}::text::regclass, ${entity.name})`)
    .catch((error) => {
      // The functions of an earlier start are there, or applies fail until a start on a writable database.
      if (!isReadOnly(error)) throw error;
    });
}

/**
 * Tests a table by writing some of its rows again in a transaction that is rolled back.
 *
 * @returns `accepts` when the table accepts at least one row; `rejects` also when the database rejects all writes.
 * @throws {DatabaseUnavailableError} and other connection errors.
 */
export async function testTable(
  database: Database,
  entity: EntityDeclaration,
  replica: ReplicaDeclaration,
): Promise<TableTest> {
  const columns = listText(columnsOf(replica));
  const [row] = await database
    .query(
      (sql) => sql<{ accepts: boolean | null }[]>`
        select lockstep.takes_rows(to_regclass(${quoted(entity.plural)}), ${entity.name}, ${columns}::text::text[]) as accepts`,
    )
    .catch((error) => {
      if (isRejected(error)) return [{ accepts: false }]; // the function itself is missing or forbidden
      throw error;
    });
  if (row?.accepts === null) return "empty";
  return row?.accepts ? "accepts" : "rejects";
}
