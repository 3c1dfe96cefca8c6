-- Moves rows that cannot be sent from the outbox to lockstep.set_aside.
-- Parameter: $1 a JSON list of {seq, reason, detail}.
-- One statement, so each row is in one of the two tables. The table keeps the newest state of each entity.
with moved as (
  delete from lockstep.outbox o
  using jsonb_to_recordset($1::text::jsonb) as given (seq bigint, reason text, detail text)
  where o.seq = given.seq
  returning o.*, given.reason, given.detail
), newest as (
  select distinct on (entity, id) * from moved order by entity, id, version desc, seq desc
)
insert into lockstep.set_aside as s
  (entity, id, seq, version, operation, data, digest, resend, traceparent, actor, at, reason, detail)
select entity, id, seq, version, operation, data, digest, resend, traceparent, actor, at, reason, detail
from newest
on conflict (entity, id) do update set
  seq = excluded.seq, version = excluded.version, operation = excluded.operation, data = excluded.data,
  digest = excluded.digest, resend = excluded.resend, traceparent = excluded.traceparent, actor = excluded.actor,
  at = excluded.at, reason = excluded.reason, detail = excluded.detail, set_aside_at = clock_timestamp()
where (excluded.version, excluded.seq) > (s.version, s.seq)
  or s.version > 9007199254740991 and excluded.seq > s.seq -- a lower version corrects it
