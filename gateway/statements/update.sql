-- Takes: $1 a JSON list, each id once, of {id, change: columns to change, accepted: list of versions that the row may
-- have, or null for any, defaults: list of columns that get the database's default, merges: true where an object of
-- jsonb is a merge patch, children: lists that replace those of the entity}; $2 and $3 as insert.sql. Answers one row
-- per write: id; doc, the row after the change as JSON, or null when nothing was changed; version, the row's version
-- before, or null when there was no row; taken, the member whose unique value is taken (see insert.sql); written as
-- insert.sql. A column that is not in the change keeps the value of the locked row, not the value that was read before
-- the lock. Two concurrent changes of different members are both kept. An empty change is also a write and gets the
-- next version. A row that keeps its version, or gets another key, is not captured as this change: this is an error.
with context as materialized (
  select set_config('lockstep.contexts', $2::text, true), set_config('lock_timeout', $3::text, true){require_capture}
), requested as materialized (
  select id, {keys}, change, accepted{more}, {taken} as taken
  from jsonb_to_recordset($1::text::jsonb) as given (id {id_type}, change jsonb, accepted jsonb{given_more})
), changed as (
  update {table} as lockstep_row
  set ({columns}) = (select {values} from jsonb_populate_record(lockstep_row, requested.change) as given)
  from requested, context
  where {has_key} and {is_accepted} and requested.taken is null{below_limit}
  returning requested.id, case when {is_captured} then {data} else lockstep.reject_uncaptured(requested.id::text) end as doc{written}
){children}{store_key}
select requested.id, answered.doc{as_text} as doc, {version_before} as version, requested.taken{answer_written}
from requested left join {answered} as answered on answered.id = requested.id left join {table} before on {before_has_key}
