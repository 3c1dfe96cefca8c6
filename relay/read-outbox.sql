-- Reads the oldest committed changes.
-- Parameters: $1 maximum number of rows; $2 whether the server tracks commit timestamps.
-- There is no "seq > last seen": a transaction may get a small seq early and commit late. Its row must still be found.
select
  seq::text as seq,
  entity,
  id,
  version::int as version,
  operation,
  data,
  traceparent,
  xmin::text as transaction,
  actor,
  digest::text as digest,
  case when resend then seq::text end as resend,
  to_char(
    (case when $2::boolean then coalesce(pg_xact_commit_timestamp(xmin), at) else at end) at time zone 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
  ) as time
from lockstep.outbox
order by outbox.seq -- the bigint column, not the text column of the result
limit $1::int
