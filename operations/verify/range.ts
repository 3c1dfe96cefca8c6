/** Compares one range of ids by digests: a few numbers travel, and no row unless something differs. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import type { ReplicaTables } from "./comparison-target.ts";
import inconsistentRows from "./inconsistent-rows.sql" with { type: "text" };
import replicaRange from "./replica-range.sql" with { type: "text" };
import sourceRange from "./source-range.sql" with { type: "text" };

/** Ranges begin after it, so that it is in none. */
export const FIRST_ID: EntityId = "00000000-0000-0000-0000-000000000000";
const LAST_ID: EntityId = "ffffffff-ffff-ffff-ffff-ffffffffffff";

/** Ids above `after`, up to `last`. */
export interface Range {
  readonly after: EntityId;
  readonly last: EntityId;
  /** Of the source. */
  readonly rows: number;
  readonly digest: string;
  /** Nothing comes after it. */
  readonly final: boolean;
}

/** A name, with its schema or without, as SQL has it. */
const quoted = (name: string): string =>
  name
    .split(".")
    .map((part) => `"${part.replaceAll('"', '""')}"`)
    .join(".");

const ofSource = (text: string, { plural }: EntityDeclaration): string => text.replaceAll("{table}", quoted(plural));

const ofCopy = (text: string, { table, versions }: ReplicaTables): string =>
  text.replaceAll("{table}", quoted(table)).replaceAll("{versions}", quoted(versions));

/** The source's next rows, at most so many. The last range reaches to the end of all ids, whatever a replica may have there. */
export async function nextRange(source: Sql, entity: EntityDeclaration, after: EntityId, max: number): Promise<Range> {
  const [found] = await source.unsafe<{ last: EntityId | null; rows: number; digest: string }[]>(
    ofSource(sourceRange, entity),
    [after, max],
    { prepare: true },
  );
  const { last, rows, digest } = found!;
  const final = rows < max;
  return { after, last: final ? LAST_ID : last!, rows, digest, final };
}

/** Ids of the range that may differ between the source and a copy of it. */
export async function findCandidates(
  source: Sql,
  copy: ReplicaTables,
  entity: EntityDeclaration,
  range: Range,
): Promise<EntityId[]> {
  const bounds = [entity.name, range.after, range.last];
  const [missed, changed] = await Promise.all([
    findDigestMismatches(source, copy, entity, range),
    copy.sql.unsafe<{ id: EntityId }[]>(ofCopy(inconsistentRows, copy), bounds, { prepare: true }),
  ]);
  return [...new Set([...missed, ...changed.map(({ id }) => id)])];
}

/** Ids of the range whose row in the source is not the one that the copy has heard of, also those that only the copy knows; none when the digests are the same. */
export async function findDigestMismatches(
  source: Sql,
  copy: ReplicaTables,
  entity: EntityDeclaration,
  range: Range,
): Promise<EntityId[]> {
  const bounds = [entity.name, range.after, range.last];
  const [known] = await copy.sql.unsafe<{ rows: number; digest: string }[]>(ofCopy(replicaRange, copy), bounds, {
    prepare: true,
  });
  const same = known!.rows === range.rows && known!.digest === range.digest;
  return same ? [] : unequal(source, copy, entity, range);
}

async function unequal(source: Sql, copy: ReplicaTables, entity: EntityDeclaration, range: Range): Promise<EntityId[]> {
  const [theirs, ours] = await Promise.all([
    source.unsafe<{ id: EntityId; digest: string }[]>(
      ofSource(
        `select id, hashtextextended(to_jsonb(t)::text, 0)::text as digest from {table} t where id > $1 and id <= $2`,
        entity,
      ),
      [range.after, range.last],
    ),
    copy.sql.unsafe<{ id: EntityId; digest: string }[]>(
      ofCopy(
        "select id, digest::text from {versions} where entity = $1 and id > $2 and id <= $3 and digest is not null",
        copy,
      ),
      [entity.name, range.after, range.last],
    ),
  ]);
  const known = new Map(ours.map(({ id, digest }) => [id, digest]));
  const found = theirs.filter(({ id, digest }) => known.get(id) !== digest).map(({ id }) => id);
  const there = new Set(theirs.map(({ id }) => id));
  return [...found, ...ours.filter(({ id }) => !there.has(id)).map(({ id }) => id)];
}

/** Every id of the range that the source's table or the copy's has. */
export async function listAllIds(
  source: Sql,
  copy: ReplicaTables,
  entity: EntityDeclaration,
  range: Range,
): Promise<EntityId[]> {
  const query = "select id from {table} where id > $1 and id <= $2";
  const bounds = [range.after, range.last];
  const rows = await Promise.all([
    source.unsafe<{ id: EntityId }[]>(ofSource(query, entity), bounds, { prepare: true }),
    copy.sql.unsafe<{ id: EntityId }[]>(ofCopy(query, copy), bounds, { prepare: true }),
  ]);
  return [...new Set(rows.flatMap((of) => of.map(({ id }) => id)))];
}
