/** Conditions of a replica's database, read from outside: the replica may be down. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { quotedTable, type Table } from "../../contracts/entity/table.ts";
import type { Project } from "../../contracts/project.ts";
import type { Sql } from "../../platform/postgres/connect.ts";
import { type ActiveCondition, activeCondition } from "./active-condition.ts";
import readOnly from "./read-only.sql" with { type: "text" };

/** @throws {Error} when the replica's database is unavailable. */
export async function readReplicaConditions(sql: Sql, replica: string): Promise<readonly ActiveCondition[]> {
  const [row] = await sql.unsafe<{ read_only: boolean }[]>(readOnly);
  return row!.read_only ? [activeCondition("database-read-only", replica, "its sessions are read-only")] : [];
}

/**
 * Finds entities of which the source has rows and the replica has none, although it should. Call it when no change is
 * in flight: what is on its way is not missing.
 *
 * @throws {Error} when a database is unavailable.
 */
export async function findEmptyTables(
  { source, replica: sql }: { readonly source: Sql; readonly replica: Sql },
  { entities }: Pick<Project, "entities">,
  replica: string,
): Promise<readonly ActiveCondition[]> {
  const found: ActiveCondition[] = [];
  for (const entity of entities.filter(({ replicas }) => replicas.some(({ name }) => name === replica))) {
    const { table } = entity.replicas.find(({ name }) => name === replica)!;
    // A table that does not exist is another condition.
    if (!(await hasRows(source, entity.table)) || !(await isEmptyByMistake(sql, entity, table))) continue;
    // The source's last row may have been deleted in between.
    if (await hasRows(source, entity.table))
      found.push(activeCondition("replica-empty", replica, `the source has ${entity.plural}, and ${replica} has none`));
  }
  return found;
}

async function hasRows(sql: Sql, table: Table): Promise<boolean> {
  const name = quotedTable(table);
  const [place] = await sql<{ exists: boolean }[]>`select to_regclass(${name}) is not null as exists`;
  if (!place!.exists) return false;
  const [row] = await sql.unsafe<{ found: boolean }[]>(`select exists (select from ${name}) as found`);
  return row!.found;
}

/**
 * A replica whose filter matches no row has the version of each entity, as deleted. One that has no version at all was
 * never sent the entities, and one that has a version that is not deleted has lost the row.
 */
async function isEmptyByMistake(sql: Sql, entity: EntityDeclaration, table: Table): Promise<boolean> {
  if (await hasRows(sql, table)) return false;
  const [row] = await sql<{ any_version: boolean; live_version: boolean }[]>`
    select exists (select from lockstep.versions where entity = ${entity.name}) as any_version,
      exists (select from lockstep.versions where entity = ${entity.name} and not deleted) as live_version`;
  return !row!.any_version || row!.live_version;
}
