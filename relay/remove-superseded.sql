, superseded as (
  -- Part of acknowledge.sql. Removes set-aside rows of which the log has a newer state now. All parts of a statement see
  -- the same snapshot, so the rows of the outbox are still visible here. A resend has the same version and a higher seq.
  -- A version that was too large can only be corrected to a lower one.
  delete from lockstep.set_aside s using lockstep.outbox o
  where o.seq = any ($4::text::bigint[]) and s.entity = o.entity and s.id = o.id
    and ((o.version, o.seq) > (s.version, s.seq) or s.version > 9007199254740991 and o.seq > s.seq)
)
