-- Takes: $1 id, $2 the members to change as JSON, $3 versions of which the row must have one, or null, $4 traceparent or null,
-- $5 actor or null. Answers one row: doc, the row after the change as JSON, or null when nothing was changed; version, what the
-- row had before, or null when there was none.
-- Columns that $2 does not have keep what the row has when it is locked, not what was read: two changes of different members
-- made at the same time both remain. No change at all is a write all the same, with the next version.
with context as materialized (
  select set_config('lockstep.traceparent', coalesce($4::text, ''), true),
         set_config('lockstep.actor', coalesce($5::text, ''), true)
), changed as (
  update {table} as t
  set ({columns}) = (select {columns} from jsonb_populate_record(t, $2::text::jsonb))
  from context
  where t.id = $1::uuid and ($3::bigint[] is null or t.version = any($3::bigint[]))
  returning to_jsonb(t) as doc
)
select (select doc from changed) as doc, (select version::int from {table} where id = $1::uuid) as version
