-- Takes: $1 rows as a JSON list; $2 the context of each write by its id: {"<id>": {"traceparent": "…", "actor": "…"}};
-- $3 lock timeout in ms (0: no timeout). Answers one row per write: id; doc, the row as JSON. The trigger copies the
-- context into the outbox rows. The context is local to the transaction and ends with this statement.
with context as materialized (
  select set_config('lockstep.contexts', $2::text, true), set_config('lock_timeout', $3::text, true)
), changed as (
  insert into {table} as t (id, {columns})
  select id, {columns} from jsonb_populate_recordset(null::{table}, $1::text::jsonb), context
  returning t.id, to_jsonb(t) as doc
){store_key}
select id, doc, null::int as version from changed
