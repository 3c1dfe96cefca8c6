-- Takes: $1 the entity's name, $2 the earliest commit in milliseconds since 1970.
-- Answers: for each entity the newest version that the replica applied, and when that was committed: its row of versions is
-- written by the same transaction as the entity's own, also for a delete.
select id::text, version::float8 as version, ms
from (
  select id, version, extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as ms
  from lockstep.versions
  where entity = $1
) as applied
where ms >= $2
