-- Takes: $1 entity, $2 id to start after, $3 last id. Answers the same about what the copy has heard of that the source still has:
-- also of what is not this replica's to keep.
select count(*)::int as rows, coalesce(sum(digest), 0)::text as digest
from {versions}
where entity = $1::text and id > $2::uuid and id <= $3::uuid and digest is not null
