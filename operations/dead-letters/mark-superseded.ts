/** Finds the open letters that have nothing left to say, since the replicas have that version of their entity or a newer one. */
import { isSuperseded } from "../../contracts/dead-letter.ts";
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import type { DeadLetterEntry } from "./read-dead-letters.ts";

const CHUNK = 1_000;

/**
 * Sets the state of letters that are superseded.
 *
 * @param replica gives a replica's database. @throws what it says when one that is needed does not answer.
 */
export async function markSuperseded(
  letters: Iterable<DeadLetterEntry>,
  replica: (name: string) => Sql,
): Promise<void> {
  const open = [...letters].filter(
    ({ state, deadLetter }) => state === "open" && deadLetter.version !== undefined && deadLetter.id,
  );
  for (const [entity, of] of Map.groupBy(open, (found) => found.entity))
    for (const { name } of entity.replicas) {
      // What the stream rejected is superseded when any replica has it; what a replica could not apply, when that one has.
      const concerned = of.filter(({ deadLetter }) => deadLetter.replica === undefined || deadLetter.replica === name);
      for (let i = 0; i < concerned.length; i += CHUNK) {
        const chunk = concerned.slice(i, i + CHUNK);
        const known = await versions(
          replica(name),
          entity.name,
          chunk.map(({ deadLetter }) => deadLetter.id!),
        );
        for (const found of chunk)
          if (isSuperseded(found.deadLetter, known.get(found.deadLetter.id!))) found.state = "superseded";
      }
    }
}

async function versions(sql: Sql, entity: string, ids: readonly EntityId[]): Promise<Map<EntityId, Version>> {
  const rows = await sql<{ id: EntityId; version: string }[]>`
    select id, version from lockstep.versions where entity = ${entity} and id = any (${listText(ids)}::uuid[])`;
  return new Map(rows.map(({ id, version }) => [id, Number(version)]));
}
