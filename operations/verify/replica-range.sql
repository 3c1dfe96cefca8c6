-- Takes: $1 entity, $2 id to start after, $3 last id. Returns one row: how many digests the replica has recorded, and
-- their sum. A replica records every entity that exists in the source, even one that its filter rejects.
select count(*)::int as rows, coalesce(sum(digest), 0)::text as digest
from {versions}
where entity = $1::text and id > $2::uuid and id <= $3::uuid and digest is not null
