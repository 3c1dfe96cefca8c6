-- Takes: $1 a JSON list, each id once, of {id, change: members to change, accepted: list of versions that the row may
-- have, or null for any}; $2 and $3 as insert.sql. Answers one row per write: id; doc, the row after the change as
-- JSON, or null when nothing was changed; version, the row's version before, or null when there was no row; taken, the
-- member whose unique value is taken (see insert.sql). A column that is not in the change keeps the value of the locked
-- row, not the value that was read before the lock. Two concurrent changes of different members are both kept. An empty
-- change is also a write and gets the next version. A row that keeps its version is not captured: this is an error.
with context as materialized (
  select set_config('lockstep.contexts', $2::text, true), set_config('lock_timeout', $3::text, true)
), requested as materialized (
  select id, change, accepted, {taken} as taken
  from jsonb_to_recordset($1::text::jsonb) as given (id uuid, change jsonb, accepted jsonb)
), changed as (
  update {table} as t
  set ({columns}) = (select {columns} from jsonb_populate_record(t, requested.change))
  from requested, context
  where t.id = requested.id and (requested.accepted is null or requested.accepted @> to_jsonb(t.version))
    and requested.taken is null
    and t.version < 9007199254740991 -- the next version would have no exact JSON number
  returning requested.id, case
    when new.version > old.version and new.id = old.id then to_jsonb(t) else lockstep.reject_uncaptured(old.id)
  end as doc
){store_key}
select requested.id, changed.doc, before.version::float8 as version, requested.taken
from requested left join changed on changed.id = requested.id left join {table} before on before.id = requested.id
