-- Takes: $1 id, $2 versions of which the row must have one, or null, $3 traceparent or null, $4 actor or null.
-- Answers one row: doc, the row that was deleted as JSON, or null when nothing was; version, what the row had before, or null when
-- there was none. The tombstone has the version after that of doc.
with context as materialized (
  select set_config('lockstep.traceparent', coalesce($3::text, ''), true),
         set_config('lockstep.actor', coalesce($4::text, ''), true)
), changed as (
  delete from {table} as t using context
  where t.id = $1::uuid and ($2::bigint[] is null or t.version = any($2::bigint[]))
  returning to_jsonb(t) as doc
)
select (select doc from changed) as doc, (select version::int from {table} where id = $1::uuid) as version
