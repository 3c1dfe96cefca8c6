/** Reads the newest entities from the source, for the list in the page's form. */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { Document, EntityId } from "../../../contracts/entity/document.ts";
import { parseRow } from "../../../contracts/entity/parse.ts";
import { documentOf } from "../../../contracts/entity/row.ts";
import { quotedName } from "../../../contracts/entity/table.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";

/** An entity in the source. */
export interface StoredEntity {
  readonly id: EntityId;
  readonly version: number;
  readonly document: Document;
}

interface Captured {
  readonly relation: string;
  readonly key: readonly string[];
  readonly key_text: string;
  readonly version_text: string;
  readonly data_text: string;
}

/**
 * Reads up to `limit` entities without their private fields, those with the highest keys first. UUIDv7 ids and numbers
 * from sequences have the order of creation.
 *
 * @throws {Error} when the source's database does not answer, or does not capture the entity.
 */
export async function newestEntities(source: Sql, entity: EntityDeclaration, limit: number): Promise<StoredEntity[]> {
  const [captured] = await source<Captured[]>`
    select d.relation::text, to_json(c.key) as key, d.key_text, d.version_text, d.data_text
    from lockstep.captured c cross join lateral lockstep.describe(c.entity) d where c.entity = ${entity.name}`;
  if (!captured) throw new Error(`the source does not capture ${entity.name}`);
  const { relation, key, key_text, version_text, data_text } = captured;
  const order = key.map((column) => `lockstep_row.${quotedName(column)} desc`).join(", ");
  const rows = await source.unsafe<{ id: EntityId; version: string; data: string }[]>(
    `select ${key_text} as id, (${version_text})::text as version, (${data_text})::text as data
     from ${relation} as lockstep_row order by ${order} limit $1`,
    [limit],
  );
  return rows.map(({ id, version, data }) => {
    const document = documentOf(entity, parseRow(entity, data));
    return { id, version: Number(version), document: omitPrivateFields(entity, document) };
  });
}

/** Copies a document without the fields that are declared private (P13). */
export const omitPrivateFields = ({ fields }: EntityDeclaration, document: Document): Document =>
  Object.fromEntries(Object.entries(document).filter(([name]) => !fields[name]?.private));
