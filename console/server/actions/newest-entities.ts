/** The newest entities of the source, for whoever wants to change one. */
import type { EntityDeclaration } from "../../../contracts/entity/declaration.ts";
import type { Document } from "../../../contracts/entity/document.ts";
import { documentOf } from "../../../contracts/entity/row.ts";
import type { Sql } from "../../../platform/postgres/connect.ts";

/**
 * @returns the newest first, as far as their ids tell (UUIDv7); without private values.
 * @throws when the source does not answer.
 */
export async function newest(source: Sql, entity: EntityDeclaration, limit: number): Promise<Document[]> {
  const rows = await source<{ doc: Record<string, unknown> }[]>`
    select to_jsonb(t) as doc from ${source(entity.plural)} t order by id desc limit ${limit}`;
  return rows.map(({ doc }) => withoutPrivate(entity, documentOf(entity.fields, doc)));
}

export const withoutPrivate = ({ fields }: EntityDeclaration, document: Document): Document =>
  Object.fromEntries(Object.entries(document).filter(([name]) => !fields[name]?.private));
