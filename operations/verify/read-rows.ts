/** Reads what the source and a copy have for some ids. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import type { ComparedEntity } from "./difference.ts";

type Row = Record<string, unknown>;

/** The copy first: what it has cannot then be newer than what the source is found to have. */
export async function readRows(
  source: Sql,
  { sql, table, versions }: ReplicaTables,
  entity: EntityDeclaration,
  ids: readonly EntityId[],
): Promise<ComparedEntity[]> {
  const list = listText(ids);
  const theirs = await sql<{ id: EntityId; row: Row | null; version: string | null }[]>`
    select asked.id, to_jsonb(t) as row, v.version from unnest(${list}::uuid[]) as asked (id)
    left join ${sql(table)} as t on t.id = asked.id
    left join ${sql(versions)} as v on v.entity = ${entity.name} and v.id = asked.id`;
  const ours = await source<{ id: EntityId; row: Row | null; version: string | null }[]>`
    select asked.id, to_jsonb(t) as row, coalesce(t.version, d.version) as version from unnest(${list}::uuid[]) as asked (id)
    left join ${source(entity.plural)} as t on t.id = asked.id
    left join lockstep.tombstones as d on d.entity = ${entity.name} and d.id = asked.id`;
  const byId = new Map(theirs.map((found) => [found.id, found]));
  const numberOf = (version: string | null | undefined) => (version == null ? null : Number(version));
  return ours.map(({ id, row, version }) => ({
    id,
    sourceRow: row,
    sourceVersion: numberOf(version),
    replicaRow: byId.get(id)?.row ?? null,
    heardVersion: numberOf(byId.get(id)?.version),
  }));
}
