/** The replica's table: one call of the function that `lockstep.replicate` made for it (migrations/0001-lockstep.sql) applies a whole batch. */

import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import { systemFields } from "../../contracts/entity/fields.ts";
import { columnOf, rowOf } from "../../contracts/entity/row.ts";
import { LockstepError } from "../../contracts/errors.ts";
import type { RoutedEvent } from "../../contracts/routed-event.ts";
import { listText } from "../../platform/postgres/connect.ts";
import type { Database } from "../../platform/postgres/database.ts";
import type { Rejection } from "./rejection-tracker.ts";

/** An entity as it shall be from a version on; without a document it is removed. */
export type Change = Pick<RoutedEvent, "id" | "version" | "document" | "digest" | "resend">;

/** What was done about the cache before a batch is applied. */
export interface CacheGuard {
  /** The epoch that the caller has seen. */
  readonly epoch: number;
  /** `fenced` for this batch; or nothing, since it is `off`, or Redis is `away` from here: then it stays off for a while. */
  readonly cache: "fenced" | "off" | "away";
}

/** The cache's epoch is not the one that the batch was prepared for; nothing was applied. */
export class EpochMovedError extends LockstepError {
  constructor(cause: unknown) {
    super("EPOCH_MOVED", cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** What became of a batch. */
export interface ApplyResult {
  /** For each entity for which nothing was new: the version that the database has. */
  readonly unchanged: ReadonlyMap<EntityId, Version>;
  /** What was not applied. All others were. */
  readonly refused: ReadonlyMap<EntityId, Rejection>;
}

/**
 * Applies changes in one statement, all or nothing. A change that is not newer than what the database knows has no effect; one that
 * is sent again takes the place of the same version.
 *
 * @param changes each entity once.
 * @throws {EpochMovedError} when `hold` is out of date.
 * @throws whatever the database says; after a lost connection the batch may or may not be applied, or be applied later.
 */
export async function applyChanges(
  database: Database,
  table: string,
  changes: readonly Change[],
  hold: CacheGuard,
): Promise<ApplyResult> {
  const statement = `select id, version from lockstep.${quoted(`apply_${table}`)}(${CHANGES})`;
  const documents = changes.filter(({ document }) => document).map(rowOfChange);
  const rows = await ask<{ id: EntityId; version: string }>(
    database,
    statement,
    parametersOf(changes, documents, hold),
  );
  return { unchanged: new Map(rows.map(({ id, version }) => [id, Number(version)])), refused: new Map() };
}

interface EachRow {
  readonly id: EntityId | null;
  readonly version: string;
  /** Of a refused change, from 1. */
  readonly place: number;
  readonly code: string;
  readonly message: string;
  readonly names: Record<string, string>;
}

/** The same for all changes but those that the database refuses. @throws as {@link applyChanges}; nothing is applied then. */
export async function applyEach(
  database: Database,
  table: string,
  changes: readonly Change[],
  hold: CacheGuard,
): Promise<ApplyResult> {
  const statement = `select * from lockstep.apply_each($9, ${CHANGES})`;
  const documents = changes.map((change) => change.document && rowOfChange(change));
  const rows = await ask<EachRow>(database, statement, [...parametersOf(changes, documents, hold), table]);
  const unchanged = new Map<EntityId, Version>();
  const refused = new Map<EntityId, Rejection>();
  for (const { id, version, place, code, message, names } of rows)
    if (id !== null) unchanged.set(id, Number(version));
    else refused.set(changes[place - 1]!.id, { code, message, names });
  return { unchanged, refused };
}

/** What both functions take, as {@link parametersOf} gives it. */
const CHANGES =
  "$1::text::uuid[], $2::text::bigint[], $3::text::boolean[], $4::text::bigint[], $5::text::json, $6::text::uuid[], $7, $8";

function parametersOf(
  changes: readonly Change[],
  documents: readonly unknown[],
  hold: CacheGuard,
): (string | number)[] {
  const again = changes.filter(({ resend }) => resend !== undefined);
  return [
    listText(changes.map(({ id }) => id)),
    listText(changes.map(({ version }) => version)),
    listText(changes.map(({ document }) => document === null)),
    listText(changes.map(({ digest }) => digest ?? null)),
    JSON.stringify(documents),
    listText(again.map(({ id }) => id)),
    hold.epoch,
    hold.cache,
  ];
}

/** Under the id and version of the change, whatever the document says. */
const rowOfChange = ({ document, id, version }: Change) => Object.assign(rowOf(document!), { id, version });

async function ask<Row extends object>(
  database: Database,
  statement: string,
  parameters: (string | number)[],
): Promise<Row[]> {
  try {
    return await database.query((sql) => sql.unsafe<Row[]>(statement, parameters, { prepare: true }));
  } catch (error) {
    if ((error as { code?: unknown }).code === "LS001") throw new EpochMovedError(error);
    throw error;
  }
}

/** Columns of a replica's table. */
export const columnsOf = (replica: ReplicaDeclaration): string[] =>
  Object.keys({ ...systemFields, ...replica.fields }).map(columnOf);

/**
 * Makes the table's apply function match its columns.
 *
 * @throws {Error} when the table or a declared column is missing: names the migration to add.
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
  const present = new Set(rows.map((row) => row.column));
  const missing = columnsOf(replica).filter((column) => !present.has(column));
  if (missing.length > 0)
    throw new Error(
      `replica ${replica.name}: table ${entity.plural} has no ${missing.join(", ")}; add a migration to replicas/${replica.name}/migrations`,
    );
  await database.query((sql) => sql`select lockstep.replicate(${table}::text::regclass, ${entity.name})`);
}

/** Whether the table takes any row at all. @throws {DatabaseUnavailableError} and the like when the database does not say. */
export async function takesRows(
  database: Database,
  entity: EntityDeclaration,
  replica: ReplicaDeclaration,
): Promise<boolean> {
  const columns = listText(columnsOf(replica));
  const [row] = await database.query(
    (sql) => sql<{ takes: boolean }[]>`
      select lockstep.takes_rows(to_regclass(${quoted(entity.plural)}), ${entity.name}, ${columns}::text::text[]) as takes`,
  );
  return row?.takes ?? false;
}

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;
