/** The statement that writes one batch of a rebuild: versions, rows, and the position in the log. */
import { quoted } from "../../quoted.ts";
import type { NewTable } from "./tables.ts";

/**
 * The statement for one new table. A resent change also replaces the same version, because the log may still have the
 * damaged state that it repaired. The position keeps its first `at`: the time at which its filling began.
 *
 * PostgreSQL undoes the statement with SQLSTATE 22P02 when a trigger of the table skips a row or a delete, or changes
 * an id or a version: `versions` would then have what the table lacks. The error quotes the text that is no bigint.
 *
 * Parameters: $1 JSON list of {id, version, digest, resent, row}, each id once, row null for a delete; $2 entity; $3
 * topic; $4 partition; $5 next offset; $6 the topic's identity.
 */
export function fillStatement({ name, columns }: NewTable): string {
  const table = `lockstep_next.${quoted(name)}`;
  const list = columns.map((column) => quoted(column.name)).join(", ");
  const typed = columns.map((column) => `${quoted(column.name)} ${column.type}`).join(", ");
  // The change's own id and version win over those in its row.
  const values = columns.map((column) =>
    ["id", "version"].includes(column.name) ? `c.${column.name}` : `r.${quoted(column.name)}`,
  );
  const updates = columns
    .filter((column) => column.name !== "id")
    .map((column) => `${quoted(column.name)} = excluded.${quoted(column.name)}`);
  return `
    with changes as materialized (
      select id, version, digest, resent, "row"
      from jsonb_to_recordset($1::text::jsonb) as c (id uuid, version bigint, digest bigint, resent boolean, "row" jsonb)
    ), advanced as (
      insert into lockstep_next.versions as v (entity, id, version, deleted, digest)
      select $2, id, version, "row" is null, digest from changes order by id
      on conflict (entity, id) do update set version = excluded.version, deleted = excluded.deleted, digest = excluded.digest
        where v.version < excluded.version
          or (v.version = excluded.version and v.id in (select id from changes where resent))
      returning v.id, v.version, v.deleted
    ), deletes as (
      delete from ${table} where id in (select id from advanced where deleted)
      returning id
    ), upserts as (
      insert into ${table} as t (${list})
      select ${values.join(", ")} from changes c cross join jsonb_to_record(c."row") as r (${typed})
      where c."row" is not null and c.id in (select id from advanced) order by c.id
      on conflict (id) do update set ${updates.join(", ")}
      returning t.id, t.version
    ), skipped as (
      select id from advanced where not deleted and (id, version) not in (select id, version from upserts)
      union all
      select a.id from advanced a where a.deleted and a.id not in (select id from deletes)
        -- The table as it was before the statement. "offset 0" prevents a join that scans the table.
        and exists (select from ${table} as t where t.id = a.id offset 0)
    )
    insert into lockstep_next.positions (topic, "partition", next_offset, at, topic_id)
    select $3, $4::int, coalesce(('a trigger skipped ' || (select min(id::text) from skipped))::bigint, $5::bigint), now(), $6
    on conflict (topic, "partition") do update set next_offset = excluded.next_offset`;
}
