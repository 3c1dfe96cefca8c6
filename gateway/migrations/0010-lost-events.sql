-- Events that the log had acknowledged and no longer has. The relay records them; `lockstep resync` clears them when every row was
-- sent again and compared.

create table lockstep.lost_events (
  topic text not null,
  "partition" int not null,
  from_offset bigint not null, -- the lost offsets: from this one ...
  to_offset bigint not null, -- ... up to this one (exclusive)
  at timestamptz not null default clock_timestamp()
);

-- Records lost events, and moves the relay's positions back to where the loss begins, in one transaction.
-- lost: a JSON list of {topic, partition, from, to}.
create function lockstep.record_lost_events(lost jsonb) returns void
language sql security definer set search_path = pg_catalog, pg_temp as $$
  insert into lockstep.lost_events (topic, "partition", from_offset, to_offset)
  select l.topic, l."partition", l."from", l."to"
  from jsonb_to_recordset(lost) as l (topic text, "partition" int, "from" bigint, "to" bigint);
  update lockstep.relay_positions p set next_offset = l."from"
  from jsonb_to_recordset(lost) as l (topic text, "partition" int, "from" bigint)
  where p.topic = l.topic and p."partition" = l."partition";
$$;

-- Ends the condition events-lost for what was recorded until then. Returns how many records were removed.
create function lockstep.clear_lost_events(until timestamptz default clock_timestamp()) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
  with cleared as (delete from lockstep.lost_events where at <= until returning true)
  select count(*) from cleared;
$$;

revoke execute on function lockstep.record_lost_events, lockstep.clear_lost_events from public;
