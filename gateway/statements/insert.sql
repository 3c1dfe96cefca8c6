-- Takes: $1 rows as a JSON list; $2 the context of each write by its id: {"<id>": {"traceparent": "…", "actor": "…"}};
-- $3 lock timeout in ms (0: no timeout). Answers one row per inserted row: id; doc, the row as JSON; written, its
-- version where that is no column. The trigger copies the context into the outbox rows. The context is local to the
-- transaction and ends with this statement. With taken.sql, a row whose unique value another row has is not inserted;
-- its answer has the member in taken.
with context as materialized (
  select set_config('lockstep.contexts', $2::text, true), set_config('lock_timeout', $3::text, true){require_capture}
), requested as (
  select {requested}, {taken} as lockstep_taken from {given}
), changed as (
  insert into {table} as lockstep_row ({columns}) {overriding}
  select {columns} from requested, context where lockstep_taken is null
  returning {id} as id, {data} as doc{written}
){children}{store_key}
select id, doc{as_text} as doc, null::float8 as version, null as taken{answer_written} from {answered}{or_taken}
