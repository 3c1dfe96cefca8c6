/** Finds replicas that never got all rows of an entity. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable } from "../../contracts/entity/table.ts";
import type { Project } from "../../contracts/project.ts";
import type { Sql } from "../../platform/postgres/connect.ts";

/** A replica that was never seen with all rows of an entity, and has fewer versions than the source has rows. */
export interface Unfilled {
  readonly entity: EntityDeclaration;
  readonly replica: ReplicaDeclaration;
  /** Rows of the source that can be sent. */
  readonly rows: number;
  /** Versions in the replica. */
  readonly versions: number;
}

interface Known {
  readonly replica: ReplicaDeclaration;
  readonly sql: Sql;
}

/**
 * Compares numbers. A replica has a version of each entity that it was sent, also of those that its filter excludes, so
 * one with fewer versions than the source has rows was not sent all. It counts each table once: about 0.1 s for a
 * million rows. What is in flight is not there yet, so ask again when nothing is. A replica that was filled once
 * ({@link markFilled}) is not counted again: rows that it lacks are in flight, set aside or dead letters.
 *
 * @param deps.replica the database of a replica; undefined: its address is not known, and it is left out.
 * @throws {Error} when a database is unavailable, or lacks the tables of Lockstep.
 */
export async function findUnfilled(
  deps: {
    readonly source: Sql;
    readonly replica: (name: string) => Sql | undefined;
    /** Whether to record which replicas have all rows. */
    readonly marks?: boolean;
  },
  { entities }: Pick<Project, "entities">,
): Promise<Unfilled[]> {
  const found: Unfilled[] = [];
  for (const entity of entities) {
    const known = entity.replicas.flatMap((replica) => {
      const sql = deps.replica(replica.name);
      return sql ? [{ replica, sql }] : [];
    });
    if (known.length === 0) continue;
    const counted = await Promise.all(
      known.map(async ({ replica, sql }) => ({ replica, sql, versions: await countVersions(sql, entity) })),
    );
    const unmarked = counted.filter((one) => one.versions !== undefined) as (Known & { readonly versions: number })[];
    if (unmarked.length === 0) continue;
    const rows = await countRows(deps.source, entity);
    for (const { replica, sql, versions } of unmarked)
      if (versions < rows) found.push({ entity, replica, rows, versions });
      else if (deps.marks) await markFilled(sql, entity.name);
  }
  return found;
}

/**
 * Counts the versions once more, when the replicas have applied what the log had. The rows are those of the first count:
 * rows that were written since are in flight.
 *
 * @throws {Error} when a database is unavailable.
 */
export async function stillUnfilled(
  deps: { readonly replica: (name: string) => Sql | undefined },
  first: readonly Unfilled[],
): Promise<Unfilled[]> {
  const found: Unfilled[] = [];
  for (const one of first) {
    const sql = deps.replica(one.replica.name);
    const versions = sql && (await countVersions(sql, one.entity));
    if (versions === undefined) continue;
    if (versions < one.rows) found.push({ ...one, versions });
    else await markFilled(sql!, one.entity.name);
  }
  return found;
}

/**
 * Records in the replica's database that it was sent all rows of the entity. Without its rights, nothing is recorded and
 * the next call counts again.
 */
export async function markFilled(sql: Sql, entity: string): Promise<void> {
  await sql`insert into lockstep.filled (entity) values (${entity}) on conflict do nothing`.catch(() => {});
}

/** @returns undefined when the replica was filled once. */
async function countVersions(sql: Sql, { name }: EntityDeclaration): Promise<number | undefined> {
  const [row] = await sql<{ n: string | null }[]>`
    select case when not exists (select from lockstep.filled where entity = ${name})
      then (select count(*) from lockstep.versions where entity = ${name}) end as n`;
  return row?.n == null ? undefined : Number(row.n);
}

/** Rows that can be sent: those that are set aside wait for a correction. */
async function countRows(sql: Sql, { name, table }: EntityDeclaration): Promise<number> {
  const [row] = await sql.unsafe<{ n: string }[]>(
    `select (select count(*) from ${quotedTable(table)})
       - (select count(*) from lockstep.set_aside where entity = $1 and operation = 'upserted') as n`,
    [name],
  );
  return Number(row!.n);
}
