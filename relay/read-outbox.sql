-- Reads the oldest committed changes, as many as the limits of rows and bytes allow.
-- Parameters: $1 maximum number of rows; $2 whether the server tracks commit timestamps; $3 maximum number of bytes.
-- There is no "seq > last seen": a transaction may get a small seq early and commit late. Its row must still be found.
-- A row above the limit of bytes is returned without data, actor and traceparent. It counts as 0 bytes.
with oldest as (
  select
    seq, entity, id, version, operation, data, traceparent, xmin, actor, digest, resend, at,
    -- The column is not compressed (0008-set-aside.sql), so this is the size that the relay receives.
    coalesce(pg_column_size(data), 0) + coalesce(octet_length(actor), 0) + coalesce(octet_length(traceparent), 0)
      as bytes
  from lockstep.outbox
  order by seq
  limit $1::int
), counted as (
  select *, sum(case when bytes <= $3::int then bytes else 0 end) over (order by seq rows unbounded preceding) as total
  from oldest
)
select
  counted.seq::text as seq,
  entity,
  id,
  version::float8 as version, -- exact up to 2^53; the relay sets larger ones aside
  operation,
  case when bytes <= $3::int then data::text end as data,
  case when bytes <= $3::int then traceparent end as traceparent,
  xmin::text as transaction,
  case when bytes <= $3::int then actor end as actor,
  digest::text as digest,
  case when resend then counted.seq::text end as resend,
  bytes,
  to_char(
    (case when $2::boolean then coalesce(pg_xact_commit_timestamp(xmin), at) else at end) at time zone 'UTC',
    'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'
  ) as time
from counted
where total <= $3::int
order by counted.seq -- the bigint column, not the text column of the result
