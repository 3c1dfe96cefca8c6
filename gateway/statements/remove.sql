-- Takes: $1 a JSON list, each id once, of {id, accepted: list of versions that the row may have, or null for any}; $2
-- and $3 as insert.sql. Answers one row per write: id; doc, the deleted row as JSON, or null when nothing was deleted;
-- version, the row's version before, or null when there was no row. The tombstone's version is one above that of doc.
with context as materialized (
  select set_config('lockstep.contexts', $2::text, true), set_config('lock_timeout', $3::text, true)
), requested as materialized (
  select id, accepted from jsonb_to_recordset($1::text::jsonb) as g (id uuid, accepted jsonb)
), changed as (
  delete from {table} as t using requested, context
  where t.id = requested.id and (requested.accepted is null or requested.accepted @> to_jsonb(t.version))
    and t.version < 9007199254740991 -- the tombstone's version would have no exact JSON number
  returning t.id, to_jsonb(t) as doc
){store_key}
select requested.id, changed.doc, before.version::float8 as version, null as taken
from requested left join changed on changed.id = requested.id left join {table} before on before.id = requested.id
