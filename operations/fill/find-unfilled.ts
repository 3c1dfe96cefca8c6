/** Finds replicas that never got all rows of an entity. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable } from "../../contracts/entity/table.ts";
import type { Project } from "../../contracts/project.ts";
import type { Sql } from "../../platform/postgres/connect.ts";

/** A replica that has fewer versions of an entity than the source has rows. */
export interface Unfilled {
  readonly entity: EntityDeclaration;
  readonly replica: ReplicaDeclaration;
  /** Rows of the source. */
  readonly rows: number;
  /** Versions in the replica. */
  readonly versions: number;
}

/**
 * Compares numbers. A replica has a version of each entity that it was sent, also of those that its filter excludes, so
 * one with fewer versions than the source has rows was not sent all. It counts each table once: about 0.1 s for a
 * million rows. What is in flight is not there yet, so ask again when nothing is.
 *
 * @param deps.replica the database of a replica; undefined: its address is not known, and it is left out.
 * @throws {Error} when a database is unavailable, or lacks the tables of Lockstep.
 */
export async function findUnfilled(
  deps: { readonly source: Sql; readonly replica: (name: string) => Sql | undefined },
  { entities }: Pick<Project, "entities">,
): Promise<Unfilled[]> {
  const found: Unfilled[] = [];
  for (const entity of entities) {
    const known = entity.replicas.flatMap((replica) => {
      const sql = deps.replica(replica.name);
      return sql ? [{ replica, sql }] : [];
    });
    if (known.length === 0) continue;
    const [versions, rows] = await Promise.all([
      Promise.all(known.map(({ sql }) => countVersions(sql, entity))),
      countRows(deps.source, entity),
    ]);
    known.forEach(({ replica }, i) => {
      if (versions[i]! < rows) found.push({ entity, replica, rows, versions: versions[i]! });
    });
  }
  return found;
}

async function countVersions(sql: Sql, { name }: EntityDeclaration): Promise<number> {
  const [row] = await sql<{ n: string }[]>`select count(*) as n from lockstep.versions where entity = ${name}`;
  return Number(row!.n);
}

async function countRows(sql: Sql, { table }: EntityDeclaration): Promise<number> {
  const [row] = await sql.unsafe<{ n: string }[]>(`select count(*) as n from ${quotedTable(table)}`);
  return Number(row!.n);
}
