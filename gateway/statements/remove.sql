-- Takes: $1 a JSON list, each id once, of {id, accepted: list of versions that the row may have, or null for any}; $2
-- and $3 as insert.sql. Answers one row per write: id; doc, the deleted row as JSON, or null when nothing was deleted;
-- version, the row's version before, or null when there was no row; written, the tombstone's version where the version
-- is no column. In a column, the tombstone's version is one above that of doc.
with context as materialized (
  select set_config('lockstep.contexts', $2::text, true), set_config('lock_timeout', $3::text, true){require_capture}
), requested as materialized (
  select id, {keys}, accepted from jsonb_to_recordset($1::text::jsonb) as given (id {id_type}, accepted jsonb)
), changed as (
  delete from {table} as lockstep_row using requested, context
  where {has_key} and {is_accepted}{below_limit}
  returning requested.id, {data} as doc{written}
){children}{store_key}
select requested.id, answered.doc{as_text} as doc, {version_before} as version, null as taken{answer_written}
from requested left join {answered} as answered on answered.id = requested.id left join {table} before on {before_has_key}
