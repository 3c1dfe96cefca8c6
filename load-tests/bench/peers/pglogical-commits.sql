-- Takes: $1 an LSN in this subscriber's WAL.
-- Returns: for each transaction that was applied after it, the commit times at the source and at the subscriber, in
-- milliseconds since 1970. Only the WAL has both: on a subscriber `pg_xact_commit_timestamp` returns the source's time.
select
  extract(epoch from commit_times[2]::timestamptz)::float8 * 1000 as "sourceMs",
  extract(epoch from commit_times[1]::timestamptz)::float8 * 1000 as ms
from pg_get_wal_records_info($1::pg_lsn, 'FFFFFFFF/FFFFFFFF'),
  regexp_match(description, '^([^;]+);.* origin: node \d+, lsn [^,]+, at (.+)$') as commit_times
where resource_manager = 'Transaction' and record_type = 'COMMIT' and commit_times is not null
