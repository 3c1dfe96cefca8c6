/** Finds open dead letters that are superseded: the replicas have that version of the entity, or a newer one. */
import { isSuperseded } from "../../contracts/dead-letter.ts";
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import { listText, type Sql } from "../../platform/postgres/connect.ts";
import type { DeadLetterEntry } from "./dead-letter-index.ts";

/** Ids in one statement. */
const CHUNK_SIZE = 1_000;

/**
 * Sets the state of each open dead letter that is superseded.
 *
 * @param replica returns a replica's database.
 * @throws {Error} when a replica that must be asked is unavailable, or whatever `replica` throws.
 */
export async function markSuperseded(
  entries: Iterable<DeadLetterEntry>,
  replica: (name: string) => Sql,
): Promise<void> {
  const open = [...entries].filter(
    ({ state, deadLetter }) => state === "open" && deadLetter.version !== undefined && deadLetter.id,
  );
  for (const [entity, group] of Map.groupBy(open, (entry) => entry.entity))
    for (const { name } of entity.replicas) {
      // A record that the stream rejected is superseded in any replica; one that a replica could not apply, only there.
      const ofReplica = group.filter(({ deadLetter: { replica: by } }) => by === undefined || by === name);
      for (let i = 0; i < ofReplica.length; i += CHUNK_SIZE) {
        const chunk = ofReplica.slice(i, i + CHUNK_SIZE);
        const ids = chunk.map(({ deadLetter }) => deadLetter.id!);
        const versions = await readVersions(replica(name), entity.name, ids);
        for (const entry of chunk)
          if (isSuperseded(entry.deadLetter, versions.get(entry.deadLetter.id!))) entry.state = "superseded";
      }
    }
}

async function readVersions(sql: Sql, entity: string, ids: readonly EntityId[]): Promise<Map<EntityId, Version>> {
  const rows = await sql<{ id: EntityId; version: string }[]>`
    select id, version from lockstep.versions where entity = ${entity} and id = any (${listText(ids)}::text[])`;
  return new Map(rows.map(({ id, version }) => [id, Number(version)]));
}
