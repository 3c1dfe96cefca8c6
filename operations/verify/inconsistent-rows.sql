-- Takes: $1 entity, $2 id to start after, $3 last id. Returns ids whose row does not match the replica's own versions
-- table. An apply writes both in one transaction. Where their version, presence or transaction id (xmin) differ,
-- another writer has changed one of them. The ids are only candidates: a restore from a dump writes row and version in
-- two transactions as well.
select coalesce(v.id, t.id) as id
from (
  select id, version, deleted, xmin as writer from {versions}
  where entity = $1::text and id > $2::uuid and id <= $3::uuid
) v
full join (select id, version, xmin as writer from {table} where id > $2::uuid and id <= $3::uuid) t using (id)
where (t.id is null and not v.deleted)
   or (t.id is not null and (v.id is null or v.deleted or v.version <> t.version or v.writer <> t.writer))
