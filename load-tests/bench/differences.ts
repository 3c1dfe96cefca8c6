/** Compares a source and a replica row by row, by what the declarations say a replica has. */
import postgres from "postgres";
import { entities as declared } from "../../contracts/entities/index.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { documentOf } from "../../contracts/entity/row.ts";

type Rows = Map<string, Document>;

/** Every row of an entity's table by id, as the documents that `fields` declares. */
export const readTable = async (
  url: string,
  entity: EntityDeclaration,
  fields: EntityDeclaration["fields"],
): Promise<Rows> => {
  const sql = postgres(url, { max: 1, onnotice: () => {} });
  try {
    const rows = await sql<{ row: Record<string, unknown> }[]>`select to_jsonb(t) as row from ${sql(entity.plural)} t`;
    return new Map(rows.map(({ row }) => [row.id as string, documentOf(fields, row)]));
  } finally {
    await sql.end();
  }
};

/** What differs between the source and one replica, by content as the declaration says; empty when they are in step. */
export async function differences(
  sourceUrl: string,
  replicaUrl: string,
  replicaName: string,
  entities = declared,
): Promise<string[]> {
  const found: string[] = [];
  for (const entity of entities) {
    const replica = entity.replicas.find((r) => r.name === replicaName);
    if (!replica) continue;
    const [source, actual] = await Promise.all([
      readTable(sourceUrl, entity, entity.fields),
      readTable(replicaUrl, entity, replica.fields),
    ]);
    for (const [id, document] of source) {
      if (!replica.filter(document)) continue;
      const { version, createdAt, updatedAt } = document;
      const expected = { id, ...replica.project(document), version, createdAt, updatedAt };
      const there = actual.get(id);
      actual.delete(id);
      if (!there) found.push(`${replicaName}: ${id} version ${version} is missing`);
      else if (!Bun.deepEquals(sorted(there), sorted(expected)))
        found.push(`${replicaName}: ${id} is ${JSON.stringify(there)} instead of ${JSON.stringify(expected)}`);
    }
    for (const [id, { version }] of actual)
      found.push(`${replicaName}: ${id} version ${version} is there and should not be`);
  }
  return found;
}

const sorted = (document: Document) =>
  Object.fromEntries(Object.entries(document).sort(([a], [b]) => (a < b ? -1 : 1)));
