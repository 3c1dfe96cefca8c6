/** Finds the open letters that have nothing left to say, since the replicas have that version of their entity or a newer one. */
import { isSuperseded } from "../../contracts/dead-letter.ts";
import type { EntityId, Version } from "../../contracts/entity/entity.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import type { FoldedDeadLetter } from "./fold.ts";

const CHUNK = 1_000;

/**
 * Sets the state of letters that are superseded.
 *
 * @param replica gives a replica's database. @throws what it says when one that is needed does not answer.
 */
export async function markSuperseded(
  letters: Iterable<FoldedDeadLetter>,
  replica: (name: string) => Sql,
): Promise<void> {
  const open = [...letters].filter(
    ({ state, letter }) => state === "open" && letter.version !== undefined && letter.id,
  );
  for (const [entity, of] of Map.groupBy(open, (found) => found.entity))
    for (const { name } of entity.replicas) {
      // What the stream rejected is superseded when any replica has it; what a replica could not apply, when that one has.
      const concerned = of.filter(({ letter }) => letter.replica === undefined || letter.replica === name);
      for (let i = 0; i < concerned.length; i += CHUNK) {
        const chunk = concerned.slice(i, i + CHUNK);
        const known = await versions(
          replica(name),
          entity.name,
          chunk.map(({ letter }) => letter.id!),
        );
        for (const found of chunk)
          if (isSuperseded(found.letter, known.get(found.letter.id!))) found.state = "superseded";
      }
    }
}

async function versions(sql: Sql, entity: string, ids: readonly EntityId[]): Promise<Map<EntityId, Version>> {
  const rows = await sql<{ id: EntityId; version: string }[]>`
    select id, version from lockstep.versions where entity = ${entity} and id = any (${listText(ids)}::uuid[])`;
  return new Map(rows.map(({ id, version }) => [id, Number(version)]));
}
