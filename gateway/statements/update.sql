-- Takes: $1 a JSON list, each id once, of {id, change: the members to change, accepted: versions of which the row must have one, or
-- null}; $2 and $3 as insert.sql. Answers a row for each: id; doc, the row after the change as JSON, or null when nothing was
-- changed; version, what the row had before, or null when there was none.
-- Columns that a change does not have keep what the row has when it is locked, not what was read: two changes of different members
-- made at the same time both remain. No change at all is a write all the same, with the next version.
with context as materialized (
  select set_config('lockstep.contexts', $2::text, true), set_config('lock_timeout', $3::text, true)
), given as materialized (
  select id, change, accepted from jsonb_to_recordset($1::text::jsonb) as g (id uuid, change jsonb, accepted jsonb)
), changed as (
  update {table} as t
  set ({columns}) = (select {columns} from jsonb_populate_record(t, given.change))
  from given, context
  where t.id = given.id and (given.accepted is null or given.accepted @> to_jsonb(t.version))
  returning t.id, to_jsonb(t) as doc
){remember}
select given.id, changed.doc, before.version::int as version
from given left join changed on changed.id = given.id left join {table} before on before.id = given.id
