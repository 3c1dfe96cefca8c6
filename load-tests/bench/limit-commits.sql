-- Takes: $1 a place in this subscriber's WAL.
-- Answers: for each transaction that it has applied since then, when the source and when the subscriber committed it, in milliseconds
-- since 1970. Only the WAL has both: `pg_xact_commit_timestamp` answers the source's time on a subscriber as well.
select
  extract(epoch from told[2]::timestamptz)::float8 * 1000 as "sourceMs",
  extract(epoch from told[1]::timestamptz)::float8 * 1000 as ms
from pg_get_wal_records_info($1::pg_lsn, 'FFFFFFFF/FFFFFFFF'),
  regexp_match(description, '^([^;]+);.* origin: node \d+, lsn [^,]+, at (.+)$') as told
where resource_manager = 'Transaction' and record_type = 'COMMIT' and told is not null
