-- Takes: $1 a JSON list, each id once, of {id, accepted: versions of which the row must have one, or null}; $2 and $3 as insert.sql.
-- Answers a row for each: id; doc, the row that was deleted as JSON, or null when nothing was; version, what the row had before, or
-- null when there was none. The tombstone has the version after that of doc.
with context as materialized (
  select set_config('lockstep.contexts', $2::text, true), set_config('lock_timeout', $3::text, true)
), given as materialized (
  select id, accepted from jsonb_to_recordset($1::text::jsonb) as g (id uuid, accepted jsonb)
), changed as (
  delete from {table} as t using given, context
  where t.id = given.id and (given.accepted is null or given.accepted @> to_jsonb(t.version))
  returning t.id, to_jsonb(t) as doc
){remember}
select given.id, changed.doc, before.version::int as version
from given left join changed on changed.id = given.id left join {table} before on before.id = given.id
