-- Takes: $1 most rows, $2 whether commit timestamps are tracked. Answers the oldest committed changes.
-- No "id > last seen": a row whose transaction began early and committed late has a small seq and must still be found.
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
order by outbox.seq -- not the text of it
limit $1::int
