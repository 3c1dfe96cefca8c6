/** Compares one range of ids by digests. Two numbers travel for an equal range, and no row. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import inconsistentRows from "./inconsistent-rows.sql" with { type: "text" };
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
  /** Sum of the digests of the source's rows. */
  readonly digest: string;
  /** True for the last range. */
  readonly final: boolean;
}

interface DigestRow {
  readonly id: EntityId;
  readonly digest: string;
}

/** Quotes a name with or without its schema as an SQL identifier. */
const quoted = (name: string): string =>
  name
    .split(".")
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join(".");

const forSource = (text: string, { plural }: EntityDeclaration): string => text.replaceAll("{table}", quoted(plural));

const forReplica = (text: string, { table, versions }: ReplicaTables): string =>
  text.replaceAll("{table}", quoted(table)).replaceAll("{versions}", quoted(versions));

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
  const [row] = await source.unsafe<{ last: EntityId | null; rows: number; digest: string }[]>(
    forSource(sourceRange, entity),
    [after, maxRows],
    { prepare: true },
  );
  const { last, rows, digest } = row!;
  const final = rows < maxRows;
  return { after, last: final ? LAST_ID : last!, rows, digest, final };
}

/** Ids of the range that may differ between source and replica: by digest, or within the replica itself. */
export async function findCandidates(source: Sql, tables: ReplicaTables, range: Range): Promise<EntityId[]> {
  const [mismatches, inconsistent] = await Promise.all([
    findDigestMismatches(source, tables, range),
    tables.sql.unsafe<{ id: EntityId }[]>(forReplica(inconsistentRows, tables), parametersOf(tables, range), {
      prepare: true,
    }),
  ]);
  return [...new Set([...mismatches, ...inconsistent.map(({ id }) => id)])];
}

/**
 * Ids of the range whose digests in source and replica differ, and ids that only the replica has recorded. Reads the
 * single digests only when their sums differ.
 *
 * @throws {Error} when a database is unavailable.
 */
export async function findDigestMismatches(source: Sql, tables: ReplicaTables, range: Range): Promise<EntityId[]> {
  const [sum] = await tables.sql.unsafe<{ rows: number; digest: string }[]>(
    forReplica(replicaRange, tables),
    parametersOf(tables, range),
    { prepare: true },
  );
  if (sum!.rows === range.rows && sum!.digest === range.digest) return [];
  const [inSource, inReplica] = await Promise.all([
    source.unsafe<DigestRow[]>(forSource(sourceDigests, tables.entity), [range.after, range.last]),
    tables.sql.unsafe<DigestRow[]>(forReplica(replicaDigests, tables), parametersOf(tables, range)),
  ]);
  const recorded = new Map(inReplica.map(({ id, digest }) => [id, digest]));
  const sourceIds = new Set(inSource.map(({ id }) => id));
  const mismatches = inSource.filter(({ id, digest }) => recorded.get(id) !== digest);
  return [...mismatches, ...inReplica.filter(({ id }) => !sourceIds.has(id))].map(({ id }) => id);
}

/**
 * All ids of the range that are in the source's table or in the replica's.
 *
 * @throws {Error} when a database is unavailable.
 */
export async function listAllIds(source: Sql, tables: ReplicaTables, range: Range): Promise<EntityId[]> {
  const query = "select id from {table} where id > $1 and id <= $2";
  const bounds = [range.after, range.last];
  const rows = await Promise.all([
    source.unsafe<{ id: EntityId }[]>(forSource(query, tables.entity), bounds, { prepare: true }),
    tables.sql.unsafe<{ id: EntityId }[]>(forReplica(query, tables), bounds, { prepare: true }),
  ]);
  return [...new Set(rows.flat().map(({ id }) => id))];
}

/** Parameters $1 to $3 of the replica's statements. */
const parametersOf = ({ entity }: ReplicaTables, { after, last }: Range): string[] => [entity.name, after, last];
