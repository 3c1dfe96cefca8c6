-- Takes: a table with its columns of key and version (replaced by the caller), $1 the earliest commit in milliseconds
-- since 1970.
-- Returns: the version of each row and its commit time. Deletes leave nothing behind, so they do not count.
select id, version::float8 as version, ms
from (
  select only_key::text as id, only_version as version,
    extract(epoch from pg_xact_commit_timestamp(xmin))::float8 * 1000 as ms
  from only_table
) as rows
where ms >= $1
