-- Takes the parameters of replica-range.sql. Returns each digest that it sums up, with its id.
with t as materialized (
  select {id} as id, {version} as version, {hash} as hash from {table} where {range}
), v as (
  select id, version, case when deleted then digest end as digest from {versions}
  where entity = $1::text and id = any (array(select unnest($2::text::text[]) union select id from t))
)
select t.id, hashint8extended(coalesce(t.version, v.version), t.hash)::text as digest from t left join v on v.id = t.id
union all
select id, digest::text from v where digest is not null
