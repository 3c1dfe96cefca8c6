/** SQL of the dual write, from the declaration of the entity. Pure. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../../contracts/entity/declaration.ts";
import { quotedName, quotedTable } from "../../../contracts/entity/table.ts";
import { type RowStatements, rowStatements } from "../../workload/statements.ts";

/** The statements of the source, as {@link RowStatements}. They also return the whole `row`, which is what is sent. */
export function sourceStatements(entity: EntityDeclaration): RowStatements {
  const { insert, update, remove } = rowStatements(entity);
  const row = `, to_jsonb(${quotedTable(entity.table)}.*) as row`;
  return { insert: insert + row, update: update + row, remove };
}

/** The statements of the copy: `upsert` takes $1, the source's row as JSON; `remove` takes $1, the id. */
export function copyStatements({ table, fields, key }: ReplicaDeclaration): {
  readonly upsert: string;
  readonly remove: string;
} {
  const name = quotedTable(table);
  const id = quotedName(fields[key[0]!]!.column);
  const columns = Object.values(fields).map(({ column }) => quotedName(column));
  const changed = columns.filter((column) => column !== id).map((column) => `${column} = excluded.${column}`);
  return {
    upsert: `insert into ${name} (${columns.join(", ")})
      select ${columns.join(", ")} from jsonb_populate_record(null::${name}, ($1::text)::jsonb)
      on conflict (${id}) do update set ${changed.join(", ")}`,
    remove: `delete from ${name} where ${id} = $1::uuid`,
  };
}
