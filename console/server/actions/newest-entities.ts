/** Reads the newest entities from the source, for the list in the page's form. */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { Document } from "../../../contracts/entity/document.ts";
import { documentOf } from "../../../contracts/entity/row.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";

/**
 * Reads up to `limit` entities without their private fields, newest first. UUIDv7 ids have the order of creation.
 *
 * @throws {Error} when the source's database does not answer.
 */
export async function newestEntities(source: Sql, entity: EntityDeclaration, limit: number): Promise<Document[]> {
  const rows = await source<{ doc: Record<string, unknown> }[]>`
    select to_jsonb(t) as doc from ${source(entity.plural)} t order by id desc limit ${limit}`;
  return rows.map(({ doc }) => omitPrivateFields(entity, documentOf(entity, doc)));
}

/** Copies a document without the fields that are declared private (P13). */
export const omitPrivateFields = ({ fields }: EntityDeclaration, document: Document): Document =>
  Object.fromEntries(Object.entries(document).filter(([name]) => !fields[name]?.private));
