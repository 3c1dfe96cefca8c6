-- Reads the oldest committed changes.
-- Parameters: $1 maximum number of rows; $2 whether the server tracks commit timestamps; $3 bytes above which a row is
-- returned without data, actor and traceparent: read-large-rows.sql reads these.
-- The first place in braces gets acknowledge.sql or nothing, the second one leaves out the rows that it deletes: all
-- parts of a statement see the same snapshot.
-- There is no "seq > last seen": a transaction may get a small seq early and commit late. Its row must still be found.
{acknowledge}
select
  outbox.seq::text as seq,
  entity,
  id,
  version::float8 as version, -- exact up to 2^53; the relay sets larger ones aside
  operation,
  case when bytes <= $3::int then data::text end as data,
  case when bytes <= $3::int then traceparent end as traceparent,
  xmin::text as transaction,
  case when bytes <= $3::int then actor end as actor,
  digest::text as digest,
  case when resend then outbox.seq::text end as resend,
  bytes,
  to_char(
    (case when $2::boolean then coalesce(pg_xact_commit_timestamp(xmin), at) else at end) at time zone 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
  ) as time
from lockstep.outbox,
  -- The column is not compressed (0008-set-aside.sql of the gateway), so this is the size that the relay receives.
  lateral (
    select coalesce(pg_column_size(data), 0) + coalesce(octet_length(actor), 0) + coalesce(octet_length(traceparent), 0)
      as bytes
  ) as size
{unacknowledged}
order by outbox.seq -- the bigint column, not the text column of the result
limit $1::int
