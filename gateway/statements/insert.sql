-- Takes: $1 rows as a JSON list, $2 what each is told with, by its id: {"<id>": {"traceparent": "…", "actor": "…"}}, $3 how long to
-- wait for a lock, in ms (0: as long as it takes). Answers a row for each: id; doc, the row as JSON.
-- The trigger copies the context into the outbox rows. Being local to the transaction, it ends with this statement.
with context as materialized (
  select set_config('lockstep.contexts', $2::text, true), set_config('lock_timeout', $3::text, true)
), changed as (
  insert into {table} as t (id, {columns})
  select id, {columns} from jsonb_populate_recordset(null::{table}, $1::text::jsonb), context
  returning t.id, to_jsonb(t) as doc
){remember}
select id, doc, null::int as version from changed
