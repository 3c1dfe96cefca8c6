/**
 * Finds candidates among the versions that a replica has recorded. The ranges find every entity that has a row in the
 * source or in the replica. Here are those that have neither, although the replica has recorded one.
 */
import type { EntityId } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import { comparedColumns } from "./compared-columns.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import nextVersions from "./next-versions.sql" with { type: "text" };
import { queryReplica } from "./query-replica.ts";
import { fill } from "./range.ts";

/** Versions in one statement. */
const CHUNK_SIZE = 5_000;

/** One step through the recorded versions. */
export interface VersionsStep {
  /** The last id; null: there are no more versions. */
  readonly last: EntityId | null;
  readonly candidates: readonly EntityId[];
}

/**
 * Checks the recorded versions after an id, in the order of ids.
 *
 * @param after the empty text for the first step.
 * @throws {ReplicaUnreadableError} @throws {Error} when the source is unavailable.
 */
export async function checkVersions(source: Sql, tables: ReplicaTables, after: EntityId): Promise<VersionsStep> {
  const { source: inSource, replica } = await comparedColumns(source, tables);
  const text = fill(nextVersions, replica, { versions: tables.versions });
  const [row] = await queryReplica<{ last: EntityId | null; recorded: number; lost: EntityId[]; absent: EntityId[] }>(
    tables,
    text,
    [tables.entity.name, after, String(CHUNK_SIZE)],
  );
  const { last, recorded, lost, absent } = row!;
  const query =
    "select requested.id from unnest($1::text::text[]) as requested (id) where not exists (select from {table} where {requested})";
  const gone =
    absent.length === 0
      ? []
      : await source.unsafe<{ id: EntityId }[]>(fill(query, inSource), [listText(absent)], { prepare: true });
  return {
    last: recorded < CHUNK_SIZE ? null : last,
    candidates: [...lost, ...gone.map(({ id }) => id)],
  };
}
