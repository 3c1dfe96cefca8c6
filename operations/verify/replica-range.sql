-- Takes: $1 entity, $2 id to start after, $3 last id. Returns one row about the range:
-- rows, digest: the number of rows and the sum of their digests, made of the columns that the table has now, together
-- with those of the entities that the replica has recorded without a row. These are the ones that its filter rejected:
-- their recorded digest is of the source's whole row. absent: their ids as an array's text.
-- inconsistent: ids whose row does not match the replica's own versions table, as an array's text. An apply writes both
-- in one transaction. Where their version, presence or transaction id (xmin) differ, another writer has changed one of
-- them. These ids are only candidates: a restore from a dump writes both in two transactions as well.
with t as (
  select id, version, xmin as writer, {digest} as digest from {table} t where id > $2::uuid and id <= $3::uuid
), v as (
  select id, version, xmin as writer, deleted, case when deleted then digest end as digest from {versions}
  where entity = $1::text and id > $2::uuid::text and id <= $3::uuid::text
)
select
  (count(t.id) + count(v.digest))::int as rows,
  (coalesce(sum(t.digest), 0) + coalesce(sum(v.digest), 0))::text as digest,
  coalesce(array_agg(v.id) filter (where v.digest is not null), '{}')::text as absent,
  coalesce(array_agg(coalesce(v.id, t.id::text)) filter (where
    (t.id is null and not v.deleted)
    or (t.id is not null and (v.id is null or v.deleted or v.version <> t.version or v.writer <> t.writer))
  ), '{}')::text as inconsistent
from v full join t on t.id::text = v.id
