-- Takes: $1 entity, $2 id to start after, $3 last id. Answers ids whose row is not what the replica's own record says: an apply writes both
-- in one transaction, so where they differ somebody else has written one of them. To be looked at, not yet to be believed: a restore
-- writes them in two transactions as well.
select coalesce(v.id, t.id) as id
from (select id, version, deleted, xmin as writer from {versions} where entity = $1::text and id > $2::uuid and id <= $3::uuid) v
full join (select id, version, xmin as writer from {table} where id > $2::uuid and id <= $3::uuid) t using (id)
where (t.id is null and not v.deleted)
   or (t.id is not null and (v.id is null or v.deleted or v.version <> t.version or v.writer <> t.writer))
