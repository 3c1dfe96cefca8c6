-- Takes: $1 a list of seqs that the log has stored, $2 a JSON list of {topic, partition, next}.
-- The rows go and the positions move together: whoever leads next reads the log from a position and finds there
-- everything that is still in the outbox and was stored all the same.
with gone as (
  delete from lockstep.outbox where seq = any ($1::text::bigint[])
)
insert into lockstep.relay_positions as p (topic, "partition", next_offset)
select topic, "partition", next
from jsonb_to_recordset($2::text::jsonb) as moved (topic text, "partition" int, next bigint)
on conflict (topic, "partition") do update set next_offset = excluded.next_offset
