/** Compares one range of ids by digests. Two numbers travel for an equal range, and no row. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { type ComparedColumns, comparedColumns, quoted } from "./compared-columns.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import nextRangeText from "./next-range.sql" with { type: "text" };
import { queryReplica } from "./query-replica.ts";
import replicaDigests from "./replica-digests.sql" with { type: "text" };
import replicaRange from "./replica-range.sql" with { type: "text" };
import sourceDigests from "./source-digests.sql" with { type: "text" };
import sourceRange from "./source-range.sql" with { type: "text" };

/** The lowest id. Ranges start after it, so no range includes it. */
export const FIRST_ID: EntityId = "00000000-0000-0000-0000-000000000000";
const LAST_ID: EntityId = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** The ids above `after`, up to and including `last`. */
export interface Range {
  readonly after: EntityId;
  readonly last: EntityId;
  /** Number of the source's rows. */
  readonly rows: number;
  /** True for the last range. */
  readonly final: boolean;
}

interface DigestRow {
  readonly id: EntityId;
  readonly digest: string;
}

/** Digest of the source's whole row. The capture trigger computes the same, and replicas record it. */
const WHOLE_ROW = "hashtextextended(to_jsonb(t)::text, 0)";

const forSource = (text: string, { plural }: EntityDeclaration, digest = ""): string =>
  text
    .replaceAll("{table}", quoted(plural))
    .replaceAll("{digest}", () => digest)
    .replaceAll("{whole}", WHOLE_ROW);

const forReplica = (text: string, { table, versions }: ReplicaTables, digest = ""): string =>
  text
    .replaceAll("{table}", quoted(table))
    .replaceAll("{versions}", quoted(versions))
    .replaceAll("{digest}", () => digest);

/**
 * The range of the source's next rows. The last range ends at the highest possible id, so it includes ids that only a
 * replica has.
 *
 * @param maxRows most rows of the source in the range.
 * @throws {Error} when the source is unavailable.
 */
export async function nextRange(
  source: Sql,
  entity: EntityDeclaration,
  after: EntityId,
  maxRows: number,
): Promise<Range> {
  const [row] = await source.unsafe<{ last: EntityId | null; rows: number }[]>(
    forSource(nextRangeText, entity),
    [after, maxRows],
    { prepare: true },
  );
  const { last, rows } = row!;
  const final = rows < maxRows;
  return { after, last: final ? LAST_ID : last!, rows, final };
}

/** Ids of a range that may differ. */
export interface RangeDifferences {
  /** Ids whose digests in source and replica differ, and ids that only the replica has. */
  readonly mismatches: readonly EntityId[];
  /** Ids whose row in the replica does not match the replica's own versions table. */
  readonly inconsistent: readonly EntityId[];
}

/**
 * Compares a range by digests. Reads the single digests only when their sums differ.
 *
 * @throws {ReplicaUnreadableError} @throws {Error} when the source is unavailable.
 */
export async function compareRange(source: Sql, tables: ReplicaTables, range: Range): Promise<RangeDifferences> {
  const columns = await comparedColumns(source, tables);
  const [inReplica] = await queryReplica<{ rows: number; digest: string; absent: string; inconsistent: string }>(
    tables,
    forReplica(replicaRange, tables, columns.replica.digest),
    parametersOf(tables, range),
  );
  const { absent } = inReplica!;
  const inconsistent = inReplica!.inconsistent.slice(1, -1).split(",").filter(Boolean);
  const [inSource] = await source.unsafe<{ rows: number; digest: string }[]>(
    forSource(sourceRange, tables.entity, columns.source.digest),
    [range.after, range.last, absent],
    { prepare: true },
  );
  const isSame = inReplica!.rows === inSource!.rows && inReplica!.digest === inSource!.digest;
  return { mismatches: isSame ? [] : await compareDigests(source, tables, columns, range, absent), inconsistent };
}

async function compareDigests(
  source: Sql,
  tables: ReplicaTables,
  columns: ComparedColumns,
  range: Range,
  absent: string,
): Promise<EntityId[]> {
  const [inSource, inReplica] = await Promise.all([
    source.unsafe<DigestRow[]>(forSource(sourceDigests, tables.entity, columns.source.digest), [
      range.after,
      range.last,
      absent,
    ]),
    queryReplica<DigestRow>(
      tables,
      forReplica(replicaDigests, tables, columns.replica.digest),
      parametersOf(tables, range),
    ),
  ]);
  const recorded = new Map(inReplica.map(({ id, digest }) => [id, digest]));
  const sourceIds = new Set(inSource.map(({ id }) => id));
  const mismatches = inSource.filter(({ id, digest }) => recorded.get(id) !== digest);
  return [...mismatches, ...inReplica.filter(({ id }) => !sourceIds.has(id))].map(({ id }) => id);
}

/**
 * All ids of the range that are in the source's table or in the replica's.
 *
 * @throws {ReplicaUnreadableError} @throws {Error} when the source is unavailable.
 */
export async function listAllIds(source: Sql, tables: ReplicaTables, range: Range): Promise<EntityId[]> {
  const query = "select id from {table} where id > $1::uuid and id <= $2::uuid";
  const bounds = [range.after, range.last];
  const rows = await Promise.all([
    source.unsafe<{ id: EntityId }[]>(forSource(query, tables.entity), bounds, { prepare: true }),
    queryReplica<{ id: EntityId }>(tables, forReplica(query, tables), bounds),
  ]);
  return [...new Set(rows.flat().map(({ id }) => id))];
}

/** Rows of each range that are always compared by content. */
const SAMPLE_ROWS = 20;

/** Ids of up to 20 rows of the source in the range, chosen at random. @throws {Error} when the source is unavailable. */
export async function listSampleIds(source: Sql, { entity }: ReplicaTables, range: Range): Promise<EntityId[]> {
  const query = "select id from {table} where id > $1::uuid and id <= $2::uuid order by random() limit $3";
  const rows = await source.unsafe<{ id: EntityId }[]>(
    forSource(query, entity),
    [range.after, range.last, SAMPLE_ROWS],
    { prepare: true },
  );
  return rows.map(({ id }) => id);
}

/** Parameters $1 to $3 of the replica's statements. */
const parametersOf = ({ entity }: ReplicaTables, { after, last }: Range): string[] => [entity.name, after, last];
