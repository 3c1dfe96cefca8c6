-- Takes: $1 the name of an entity whose versions are beside its table, $2 the earliest commit in milliseconds since 1970.
-- Returns: the current version of each entity and its commit time. Earlier versions cannot be read.
select id, version::float8 as version, ms
from (
  select id, version, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as ms
  from lockstep.row_versions
  where entity = $1
) as newest
where ms >= $2
