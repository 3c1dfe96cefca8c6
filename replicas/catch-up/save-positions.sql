-- Saves the positions of one process, unless the database went back in time.
--
-- $1: JSON list of {topic, partition, next, saved, topic_id}: the process' position, the one it last read here (null:
-- none), and the topic's identity (null: unknown).
-- $2: age of the positions in milliseconds.
-- $3: incarnation of the database that the process started with (null: unknown).
--
-- Returns for each partition: `stored`, the position here now; `went_back`, the same for all rows.
-- A position here below `saved`, or another incarnation, means that the database went back. Nothing is written then,
-- because it would hide what the database has lost. A row that another process has moved stays as it is: that process
-- owns the partition.
with reported as (
  select topic, "partition", next, saved, topic_id
  from jsonb_to_recordset($1::text::jsonb) as r (topic text, "partition" int, next bigint, saved bigint, topic_id text)
), compared as (
  select r.topic, r."partition", p.next_offset as stored, coalesce(p.next_offset, -1) < r.saved as went_back
  from reported r left join lockstep.positions p using (topic, "partition")
), verdict as (
  select coalesce(bool_or(went_back), false) or coalesce(lockstep.incarnation() <> $3, false) as went_back from compared
), updated as (
  update lockstep.positions p
  set next_offset = r.next, topic_id = r.topic_id, at = greatest(p.at, clock_timestamp() - $2::float8 * interval '1 millisecond')
  from reported r, verdict
  where not verdict.went_back and p.topic = r.topic and p."partition" = r."partition" and p.next_offset = r.saved
  returning p.topic, p."partition", p.next_offset
), inserted as (
  insert into lockstep.positions as p (topic, "partition", next_offset, at, topic_id)
  select r.topic, r."partition", r.next, clock_timestamp() - $2::float8 * interval '1 millisecond', r.topic_id
  from reported r, verdict
  where not verdict.went_back and r.saved is null
  on conflict (topic, "partition") do nothing
  returning p.topic, p."partition", p.next_offset
)
select c.topic, c."partition", coalesce(updated.next_offset, inserted.next_offset, c.stored) as stored, verdict.went_back
from compared c cross join verdict
left join updated using (topic, "partition")
left join inserted using (topic, "partition")
