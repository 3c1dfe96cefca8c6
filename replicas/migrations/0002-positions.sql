-- How far this database has applied each partition of its topics, and when that was last so. The consumer group's own offsets say the
-- same of the processes; they know nothing of a database that was emptied, or put back from a backup.
create table lockstep.positions (
  topic text not null,
  "partition" int not null,
  next_offset bigint not null,
  at timestamptz not null,
  primary key (topic, "partition")
) with (fillfactor = 50);
