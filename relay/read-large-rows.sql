-- Reads what read-outbox.sql left out. Parameter: $1 seqs of the rows. The caller limits their bytes.
select seq::text as seq, data::text as data, traceparent, actor
from lockstep.outbox
where seq = any ($1::text::bigint[])
