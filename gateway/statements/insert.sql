-- Takes: $1 the row as JSON, $2 traceparent or null, $3 actor or null. Answers one row: doc, the row as JSON.
-- The trigger copies the context into the outbox row. Being local to the transaction, it ends with this statement.
with context as materialized (
  select set_config('lockstep.traceparent', coalesce($2::text, ''), true),
         set_config('lockstep.actor', coalesce($3::text, ''), true)
), changed as (
  insert into {table} as t (id, {columns})
  select id, {columns} from jsonb_populate_record(null::{table}, $1::text::jsonb), context
  returning to_jsonb(t) as doc
)
select doc, null::int as version from changed
