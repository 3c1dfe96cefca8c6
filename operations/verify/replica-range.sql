-- Takes: $1 entity, $2 ids of the source's rows in the range, as an array's text; the parameters of {range}. Returns one
-- row about the range:
-- rows, digest: the number of rows and the sum of their digests, made of the columns that the table has now, together
-- with those of the entities that the replica has recorded without a row. These are the ones that its filter rejected:
-- their recorded digest is of the source's whole row. absent: their ids as a JSON list.
-- inconsistent: ids whose row does not match the replica's own versions table, as a JSON list. An apply writes both
-- in one transaction. Where their version, presence or transaction id (xmin) differ, another writer has changed one of
-- them. These ids are only candidates: a restore from a dump writes both in two transactions as well.
-- The ids of versions are in an array, so that each is found by the index.
with t as materialized (
  select {id} as id, {version} as version, xmin as writer, {hash} as hash from {table} where {range}
), v as (
  select id, version, xmin as writer, deleted, case when deleted then digest end as digest from {versions}
  where entity = $1::text and id = any (array(select unnest($2::text::text[]) union select id from t))
), pair as (
  select coalesce(t.id, v.id) as id, v.digest as recorded, hashint8extended(coalesce(t.version, v.version), t.hash) as digest,
    (t.id is null and not v.deleted)
      or (t.id is not null and (v.id is null or v.deleted or v.version <> t.version or v.writer <> t.writer)) as is_inconsistent
  from v full join t on t.id = v.id
)
select
  (count(digest) + count(recorded))::int as rows,
  (coalesce(sum(digest), 0) + coalesce(sum(recorded), 0))::text as digest,
  coalesce(json_agg(id) filter (where recorded is not null), '[]') as absent,
  coalesce(json_agg(id) filter (where is_inconsistent), '[]') as inconsistent
from pair
