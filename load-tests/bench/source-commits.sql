-- Takes: a captured table (replaced by the caller), $1 the entity's name, $2 the earliest commit in milliseconds since 1970.
-- Answers: for each entity the version that stands there now, and when it was committed. Earlier versions left no trace.
-- The commit's time is read before the row's, so that the filter needs no second look at the commit log.
select id::text, version::float8 as version, deleted, ms
from (
  select id, version, false as deleted, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as ms
  from only_table
  union all
  select id, version, true, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000
  from lockstep.tombstones
  where entity = $1
) as newest
where ms >= $2
