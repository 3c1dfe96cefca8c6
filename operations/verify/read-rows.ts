/** Reads what the source and a replica have for a list of ids. */
import type { EntityId } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import type { ComparedEntity } from "./difference.ts";

interface StoredRow {
  readonly id: EntityId;
  readonly row: Record<string, unknown> | null;
  readonly version: string | null;
}

/**
 * Reads the replica first and then the source, so that the replica's state is never newer than the source's.
 *
 * @returns one result per id. @throws {Error} when a database is unavailable.
 */
export async function readRows(
  source: Sql,
  { entity, sql, table, versions }: ReplicaTables,
  ids: readonly EntityId[],
): Promise<ComparedEntity[]> {
  const list = listText(ids);
  const replicaRows = await sql<StoredRow[]>`
    select requested.id, to_jsonb(t) as row, v.version
    from unnest(${list}::uuid[]) as requested (id)
    left join ${sql(table)} as t on t.id = requested.id
    left join ${sql(versions)} as v on v.entity = ${entity.name} and v.id = requested.id`;
  const sourceRows = await source<StoredRow[]>`
    select requested.id, to_jsonb(t) as row, coalesce(t.version, d.version) as version
    from unnest(${list}::uuid[]) as requested (id)
    left join ${source(entity.plural)} as t on t.id = requested.id
    left join lockstep.tombstones as d on d.entity = ${entity.name} and d.id = requested.id`;
  const replicaRow = new Map(replicaRows.map((row) => [row.id, row]));
  const toNumber = (version: string | null | undefined) => (version == null ? null : Number(version));
  return sourceRows.map(({ id, row, version }) => ({
    id,
    sourceRow: row,
    sourceVersion: toNumber(version),
    replicaRow: replicaRow.get(id)?.row ?? null,
    heardVersion: toNumber(replicaRow.get(id)?.version),
  }));
}
