-- Takes: $1 the entity's name, $2 the earliest commit in milliseconds since 1970.
-- Returns: the newest version of each entity that the replica applied, and its commit time. The transaction that
-- applies a change, also a delete, writes the row in lockstep.versions.
select id::text, version::float8 as version, ms
from (
  select id, version, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as ms
  from lockstep.versions
  where entity = $1
) as applied
where ms >= $2
