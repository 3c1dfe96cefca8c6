-- Takes: a captured table with its columns of key and version (replaced by the caller), $1 the entity's name, $2 the
-- earliest commit in milliseconds since 1970.
-- Returns: the current version of each entity and its commit time. Earlier versions cannot be read. The subquery
-- computes the commit time, so that the filter does not read the commit log a second time.
select id, version::float8 as version, deleted, ms
from (
  select only_key::text as id, only_version as version, false as deleted,
    extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as ms
  from only_table
  union all
  select id::text, version, true, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000
  from lockstep.tombstones
  where entity = $1
) as newest
where ms >= $2
