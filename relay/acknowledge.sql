-- Deletes rows that the log has stored, and saves the relay's positions in the log. It is the beginning of
-- read-outbox.sql, which reads the next rows in the same statement.
-- Parameters: $4 seqs of the rows; $5 a JSON list of {topic, partition, next}: the positions that have changed.
-- One statement does both. The next leader reads the log from the saved positions. So it finds every change that is in
-- the log and still in the outbox.
-- The place in braces gets remove-superseded.sql while rows are set aside, and nothing otherwise.
with deleted as (
  delete from lockstep.outbox where seq = any ($4::text::bigint[])
){heal}, saved as (
  insert into lockstep.relay_positions as p (topic, "partition", next_offset)
  select topic, "partition", next
  from jsonb_to_recordset($5::text::jsonb) as given (topic text, "partition" int, next bigint)
  on conflict (topic, "partition") do update set next_offset = excluded.next_offset
)
