-- Takes: $1 rows as a JSON list; $2 the context of each write by its id: {"<id>": {"traceparent": "…", "actor": "…"}};
-- $3 lock timeout in ms (0: no timeout). Answers one row per inserted row: id; doc, the row as JSON. The trigger copies
-- the context into the outbox rows. The context is local to the transaction and ends with this statement.
-- With taken.sql, a row whose unique value another row has is not inserted; its answer has the member in taken.
with context as materialized (
  select set_config('lockstep.contexts', $2::text, true), set_config('lock_timeout', $3::text, true)
), requested as (
  select given.*, {taken} as lockstep_taken from jsonb_populate_recordset(null::{table}, $1::text::jsonb) as given
), changed as (
  insert into {table} as t (id, {columns})
  select id, {columns} from requested, context where lockstep_taken is null
  returning t.id, to_jsonb(t) as doc
){store_key}
select id, doc, null::float8 as version, null as taken from changed{or_taken}
