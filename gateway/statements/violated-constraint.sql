-- Takes: $1 schema, $2 table, $3 name of a constraint or of a unique index. Answers: schema and name of its table, that
-- of the whole table when it is a partition; columns, a JSON list of the names that it compares. No row when it is
-- unknown.
with violated as (
  select con.conrelid as relation, con.conkey as columns
  from pg_catalog.pg_constraint con where con.conrelid = to_regclass(format('%I.%I', $1::text, $2::text)) and con.conname = $3::text
  union all
  select i.indrelid, i.indkey::int2[]
  from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid
  where i.indrelid = to_regclass(format('%I.%I', $1::text, $2::text)) and c.relname = $3::text
)
select n.nspname as schema, root.relname as name, (
  select coalesce(json_agg(a.attname order by k.n), '[]')
  from unnest(violated.columns) with ordinality as k (attnum, n)
  join pg_catalog.pg_attribute a on a.attrelid = violated.relation and a.attnum = k.attnum
) as columns
from violated
join pg_catalog.pg_class root on root.oid = coalesce(pg_partition_root(violated.relation)::oid, violated.relation)
join pg_catalog.pg_namespace n on n.oid = root.relnamespace
limit 1
