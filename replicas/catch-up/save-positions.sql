-- Takes: $1 a JSON list of {topic, partition, next, saved}: how far this process is, and what it has last seen here (null: nothing);
-- $2 milliseconds since all of that was so; $3 the life of the database that the process has known (null: unknown).
-- Answers for each: what is here now, and whether that is less than what was seen here, or the database is in another life: then nothing
-- is written, since it would hide what the database has lost.
-- A row that somebody else has moved meanwhile is left as it is: it is theirs now.
with known as (
  select topic, "partition", next, saved
  from jsonb_to_recordset($1::text::jsonb) as r (topic text, "partition" int, next bigint, saved bigint)
), seen as (
  select k.topic, k."partition", p.next_offset as here, coalesce(p.next_offset, -1) < k.saved as back
  from known k left join lockstep.positions p using (topic, "partition")
), judged as (
  select coalesce(bool_or(back), false) or coalesce(lockstep.incarnation() <> $3, false) as back from seen
), moved as (
  update lockstep.positions p
  set next_offset = k.next, at = greatest(p.at, clock_timestamp() - $2::float8 * interval '1 millisecond')
  from known k, judged
  where not judged.back and p.topic = k.topic and p."partition" = k."partition" and p.next_offset = k.saved
  returning p.topic, p."partition", p.next_offset
), made as (
  insert into lockstep.positions as p (topic, "partition", next_offset, at)
  select k.topic, k."partition", k.next, clock_timestamp() - $2::float8 * interval '1 millisecond'
  from known k, judged
  where not judged.back and k.saved is null
  on conflict (topic, "partition") do nothing
  returning p.topic, p."partition", p.next_offset
)
select s.topic, s."partition", coalesce(moved.next_offset, made.next_offset, s.here) as here, judged.back
from seen s cross join judged
left join moved using (topic, "partition")
left join made using (topic, "partition")
