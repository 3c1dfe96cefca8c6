/** Compares one range of keys by digests. Two numbers and a list of ids travel for an equal range, and no row. */
import type { EntityId } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import {
  type ComparedColumns,
  comparedColumns,
  ROW,
  type SourceExpressions,
  type TableExpressions,
  type TableKey,
} from "./compared-columns.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import { isBetween, keyOrder } from "./key-sql.ts";
import nextRangeText from "./next-range.sql" with { type: "text" };
import { queryReplica } from "./query-replica.ts";
import replicaDigests from "./replica-digests.sql" with { type: "text" };
import replicaRange from "./replica-range.sql" with { type: "text" };
import sourceDigests from "./source-digests.sql" with { type: "text" };
import sourceRange from "./source-range.sql" with { type: "text" };

/**
 * The keys above `after`, up to and including `last`, in the order of the key's index. The order may be another one in
 * a replica with other collations. Each of its rows is in some range nevertheless, since the first range has no lower
 * and the last one no upper limit.
 */
export interface Range {
  /** Null: no limit. */
  readonly after: EntityId | null;
  /** Null: no limit. */
  readonly last: EntityId | null;
  /** Ids of the source's rows. */
  readonly ids: readonly EntityId[];
}

interface DigestRow {
  readonly id: EntityId;
  readonly digest: string;
}

type Values = Readonly<Record<string, string>>;

/** Fills a statement in. */
export const fill = (text: string, { from, id, isRequested, ...others }: TableKey, more: Values = {}): string => {
  const { version = null, hash = "" } = others as Partial<TableExpressions>;
  const values: Values = { table: from, id, requested: isRequested, version: version ?? "null::bigint", hash, ...more };
  return text.replaceAll(/\{(\w+)\}/g, (_, name: string) => values[name]!);
};

/** A statement about a range, with its parameters: first the given ones, then those of the range. */
function statementOf(
  text: string,
  expressions: TableKey,
  range: Pick<Range, "after" | "last">,
  given: readonly string[],
  more: Values = {},
): { readonly text: string; readonly parameters: string[] } {
  const condition = isBetween(expressions.key, ROW, range, given.length + 1);
  return {
    text: fill(text, expressions, { range: condition.sql, order: keyOrder(expressions.key, ROW), ...more }),
    parameters: [...given, ...condition.parameters],
  };
}

/** Runs a statement about a range in the source. */
async function querySource<Row extends object>(
  source: Sql,
  text: string,
  expressions: SourceExpressions,
  range: Pick<Range, "after" | "last">,
  given: readonly string[],
): Promise<Row[]> {
  const statement = statementOf(text, expressions, range, given, { whole: expressions.wholeDigest });
  return await source.unsafe<Row[]>(statement.text, statement.parameters, { prepare: true });
}

/** Runs a statement about a range in the replica's database. */
async function queryRange<Row extends object>(
  tables: ReplicaTables,
  text: string,
  { replica }: ComparedColumns,
  range: Range,
): Promise<Row[]> {
  const given = [tables.entity.name, listText(range.ids)];
  const statement = statementOf(text, replica, range, given, { versions: tables.versions });
  return queryReplica<Row>(tables, statement.text, statement.parameters);
}

/**
 * The range of the source's next rows. The last range has no upper limit, so it includes keys that only a replica has.
 *
 * @param maxRows most rows of the source in the range.
 * @throws {Error} when the source is unavailable.
 */
export async function nextRange(source: Sql, key: TableKey, after: EntityId | null, maxRows: number): Promise<Range> {
  const { text, parameters } = statementOf(nextRangeText, key, { after, last: null }, [String(maxRows)]);
  const [row] = await source.unsafe<{ ids: EntityId[] }[]>(text, parameters, { prepare: true });
  const { ids } = row!;
  return { after, last: ids.length < maxRows ? null : ids.at(-1)!, ids };
}

/** Ids of a range that may differ. */
export interface RangeDifferences {
  /** Ids whose digests in source and replica differ, and ids that only the replica has. */
  readonly mismatches: readonly EntityId[];
  /** Ids whose row in the replica does not match the replica's own versions table. */
  readonly inconsistent: readonly EntityId[];
}

interface ReplicaRange {
  readonly rows: number;
  readonly digest: string;
  readonly absent: readonly EntityId[];
  readonly inconsistent: readonly EntityId[];
}

/**
 * Compares a range by digests. Reads the single digests only when their sums differ.
 *
 * @throws {ReplicaUnreadableError} @throws {Error} when the source is unavailable.
 */
export async function compareRange(source: Sql, tables: ReplicaTables, range: Range): Promise<RangeDifferences> {
  const columns = await comparedColumns(source, tables);
  const [inReplica] = await queryRange<ReplicaRange>(tables, replicaRange, columns, range);
  const { absent, inconsistent } = inReplica!;
  const given = [listText(absent)];
  const [inSource] = await querySource<{ rows: number; digest: string }>(
    source,
    sourceRange,
    columns.source,
    range,
    given,
  );
  const isSame = inReplica!.rows === inSource!.rows && inReplica!.digest === inSource!.digest;
  return { mismatches: isSame ? [] : await compareDigests(source, tables, columns, range, given), inconsistent };
}

async function compareDigests(
  source: Sql,
  tables: ReplicaTables,
  columns: ComparedColumns,
  range: Range,
  given: readonly string[],
): Promise<EntityId[]> {
  const [inSource, inReplica] = await Promise.all([
    querySource<DigestRow>(source, sourceDigests, columns.source, range, given),
    queryRange<DigestRow>(tables, replicaDigests, columns, range),
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
  const { replica } = await comparedColumns(source, tables);
  const statement = statementOf("select {id} as id from {table} where {range}", replica, range, []);
  const inReplica = await queryReplica<{ id: EntityId }>(tables, statement.text, statement.parameters);
  return [...new Set([...range.ids, ...inReplica.map(({ id }) => id)])];
}

/** Rows of each range that are always compared by content. */
const SAMPLE_ROWS = 20;

/** Up to 20 ids of the range, chosen at random. */
export function sampleOf({ ids }: Range): EntityId[] {
  if (ids.length <= SAMPLE_ROWS) return [...ids];
  const places = Array.from({ length: SAMPLE_ROWS }, () => Math.floor(Math.random() * ids.length));
  return [...new Set(places)].map((place) => ids[place]!);
}
