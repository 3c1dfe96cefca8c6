/** Reads what the source and a replica have for a list of ids. */
import type { EntityId } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import { comparedColumns, type TableExpressions } from "./compared-columns.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import { parseDocumentRow } from "./declared-table.ts";
import type { ComparedEntity, ComparedRow } from "./difference.ts";
import { queryReplica } from "./query-replica.ts";
import { fill } from "./range.ts";
import replicaRows from "./replica-rows.sql" with { type: "text" };
import sourceRows from "./source-rows.sql" with { type: "text" };

interface SourceRow {
  readonly id: EntityId;
  readonly version: string | null;
  /** Null: there is no row. */
  readonly texts: ComparedRow["texts"] | null;
  readonly document: string | null;
}

type RecordedRow = SourceRow & { readonly heard: string | null };

/** What a replica has for one id: {@link ComparedEntity} has the meaning of its members. */
export type ReplicaEntity = Pick<ComparedEntity, "replicaRow" | "heardVersion">;

/**
 * Reads the replica first and then the source, so that the replica's state is never newer than the source's.
 *
 * @returns one result per id.
 * @throws {ReplicaUnreadableError} @throws {Error} when the source is unavailable.
 */
export async function readRows(
  source: Sql,
  tables: ReplicaTables,
  ids: readonly EntityId[],
): Promise<ComparedEntity[]> {
  const inReplica = await readReplicaRows(source, tables, ids);
  const columns = await comparedColumns(source, tables);
  const text = fill(sourceRows, columns.source, rowValues(columns.source));
  const inSource = await source.unsafe<SourceRow[]>(text, [tables.entity.name, listText(ids)], { prepare: true });
  return inSource.map((row) => ({
    id: row.id,
    sourceRow: rowOf(tables.entity, row),
    sourceVersion: toNumber(row.version),
    ...inReplica.get(row.id)!,
  }));
}

/**
 * Reads what a replica has for each id.
 *
 * @throws {ReplicaUnreadableError} @throws {Error} when the source, whose columns decide the texts, is unavailable.
 */
export async function readReplicaRows(
  source: Sql,
  tables: ReplicaTables,
  ids: readonly EntityId[],
): Promise<ReadonlyMap<EntityId, ReplicaEntity>> {
  const { replica } = await comparedColumns(source, tables);
  const text = fill(replicaRows, replica, { ...rowValues(replica), versions: tables.versions });
  const rows = await queryReplica<RecordedRow>(tables, text, [tables.entity.name, listText(ids)]);
  return new Map(
    rows.map((row) => [row.id, { replicaRow: rowOf(tables.replica, row), heardVersion: toNumber(row.heard) }]),
  );
}

const rowValues = ({ texts, document }: TableExpressions) => ({ texts, document });

const rowOf = (
  shape: Parameters<typeof parseDocumentRow>[0],
  { version, texts, document }: SourceRow,
): ComparedRow | null =>
  texts && document ? { version: Number(version), texts, document: parseDocumentRow(shape, document) } : null;

const toNumber = (version: string | null): number | null => (version === null ? null : Number(version));
