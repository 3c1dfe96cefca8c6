/** Reads what the source and a replica have for a list of ids. */
import type { EntityId } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import { comparedColumns, quoted, type TableExpressions } from "./compared-columns.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import type { ComparedEntity, ComparedRow } from "./difference.ts";
import { queryReplica } from "./query-replica.ts";
import replicaRows from "./replica-rows.sql" with { type: "text" };
import sourceRows from "./source-rows.sql" with { type: "text" };

type Values = { readonly [K in "texts" | "document"]: ComparedRow[K] | null };
type SourceRow = Values & { readonly id: EntityId; readonly version: string | null };
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
  const text = fill(sourceRows, tables.entity.plural, columns.source);
  const inSource = await source.unsafe<SourceRow[]>(text, [tables.entity.name, listText(ids)], { prepare: true });
  return inSource.map((row) => ({
    id: row.id,
    sourceRow: rowOf(row),
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
  const columns = await comparedColumns(source, tables);
  const text = fill(replicaRows, tables.table, columns.replica).replace("{versions}", () => quoted(tables.versions));
  const rows = await queryReplica<RecordedRow>(tables, text, [tables.entity.name, listText(ids)]);
  return new Map(rows.map((row) => [row.id, { replicaRow: rowOf(row), heardVersion: toNumber(row.heard) }]));
}

const fill = (text: string, table: string, { texts, document }: TableExpressions): string =>
  text
    .replace("{table}", () => quoted(table))
    .replace("{texts}", () => texts)
    .replace("{document}", () => document);

const rowOf = ({ version, texts, document }: SourceRow): ComparedRow | null =>
  texts && document ? { version: Number(version), texts, document } : null;

const toNumber = (version: string | null): number | null => (version === null ? null : Number(version));
