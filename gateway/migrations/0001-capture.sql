-- Capture: every change of a captured table is put into the outbox by the transaction that makes it, whoever makes it and
-- with whatever statement. `select lockstep.capture('products', 'product')` is all that a table needs.
--
-- The functions run with their owner's rights, so that a writer needs rights on the captured table only.

-- Committed changes that the log may not have yet. The relay deletes what the log acknowledged, so this is never the history.
create table lockstep.outbox (
  seq bigint generated always as identity primary key,
  entity text not null,
  id uuid not null,
  version bigint not null,
  operation text not null check (operation in ('upserted', 'deleted')),
  data jsonb, -- the whole row after the change; null for a delete
  digest bigint generated always as (hashtextextended(data::text, 0)) stored, -- verification compares it with the row's own
  resend boolean not null default false, -- sent before, and to be applied once more
  traceparent text,
  actor text,
  at timestamptz not null default clock_timestamp()
) with (
  -- Rows live for milliseconds: dead ones must go before the relay has to step over many of them.
  autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_cost_delay = 0,
  autovacuum_vacuum_insert_scale_factor = 0, autovacuum_vacuum_insert_threshold = 50000
);

-- Versions of deleted entities: one that comes back goes on counting, so that nobody takes it for an old event.
create table lockstep.tombstones (
  entity text not null,
  id uuid not null,
  version bigint not null,
  at timestamptz not null default clock_timestamp(),
  primary key (entity, id)
);

-- The tables that are captured, by the name of their entity.
create table lockstep.captured (
  entity text primary key,
  relation regclass not null
);

-- Where the relay's last acknowledged write ended in each partition of the log.
create table lockstep.relay_positions (
  topic text not null,
  "partition" int not null,
  next_offset bigint not null,
  primary key (topic, "partition")
);

-- Who leads, and when it was last heard of.
create table lockstep.relay_lease (
  only_row boolean primary key default true check (only_row),
  holder text not null,
  heartbeat timestamptz not null
);

-- Before each row: the version and the times are the database's to say, whatever the writer gave.
-- The look-up of tombstones must go by the index from the first one on: a plan made while the table was empty reads all of it.
create function lockstep.stamp_row() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  moment timestamptz := date_trunc('milliseconds', clock_timestamp()); -- documents carry milliseconds
begin
  if tg_op = 'INSERT' then
    new.version := 1 + coalesce(
      (select version from lockstep.tombstones where entity = tg_argv[0] and id = new.id), 0);
    new.created_at := moment;
  else
    if new.id <> old.id then
      raise exception 'the id of a % cannot be changed', tg_argv[0]
        using errcode = 'restrict_violation', hint = 'Delete it and insert another one.';
    end if;
    -- Under the row's lock, which is held until the commit: the order of versions is the order of commits.
    new.version := old.version + 1;
    new.created_at := old.created_at;
  end if;
  new.updated_at := moment;
  return new;
end $$;

-- After each statement: one insert for all of its rows. What goes with a row into the outbox is what `lockstep.contexts` says of its
-- id (the gateway writes for many callers at once), else what `lockstep.traceparent` and `lockstep.actor` say for all of the
-- transaction.
--
-- A plan is kept for the session's life, made for the first statement that comes and for what the tables hold then. Subqueries
-- instead of joins, and the planner's settings, leave it the index of the tombstones and nothing else: a join that was planned for
-- a large insert and few tombstones took 26 ms for every later row when there were 100,000 (0.9 ms now).
create function lockstep.capture_inserted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' -- one text for one time
set enable_seqscan = off set enable_bitmapscan = off as $$
declare
  the_contexts jsonb := nullif(current_setting('lockstep.contexts', true), '');
  the_traceparent text := nullif(current_setting('lockstep.traceparent', true), '');
  the_actor text := nullif(current_setting('lockstep.actor', true), '');
  found_tombstones bigint;
  outdated boolean;
begin
  -- The rows' versions were chosen before their ids were found free in the index. An insert that had to wait there for a delete
  -- of the same id did not see its tombstone then; this statement's snapshot is newer and does ...
  if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
    -- ... but for a transaction with one snapshot, to which only a collision shows what came after it (as a 40001).
    insert into lockstep.tombstones (entity, id, version) select tg_argv[0], c.id, 0 from changed c on conflict do nothing;
  end if;
  select count(*), bool_or(tombstone >= version) into found_tombstones, outdated
  from (
    select c.version, (select t.version from lockstep.tombstones t where t.entity = tg_argv[0] and t.id = c.id) as tombstone
    from changed c
  ) compared
  where tombstone is not null;
  if outdated then
    raise exception 'a % of the same id was deleted at this moment', tg_argv[0]
      using errcode = 'serialization_failure', hint = 'Insert it again, in a statement of its own.';
  end if;
  if found_tombstones > 0 then
    delete from lockstep.tombstones t where t.entity = tg_argv[0] and t.id = any (array(select c.id from changed c));
  end if;
  insert into lockstep.outbox (entity, id, version, operation, data, traceparent, actor)
  select tg_argv[0], c.id, c.version, 'upserted', to_jsonb(c),
    coalesce(the_contexts -> c.id::text ->> 'traceparent', the_traceparent), coalesce(the_contexts -> c.id::text ->> 'actor', the_actor)
  from changed c;
  if found then perform lockstep.wake_relay(); end if;
  return null;
end $$;

create function lockstep.capture_updated() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
declare
  the_contexts jsonb := nullif(current_setting('lockstep.contexts', true), '');
  the_traceparent text := nullif(current_setting('lockstep.traceparent', true), '');
  the_actor text := nullif(current_setting('lockstep.actor', true), '');
begin
  insert into lockstep.outbox (entity, id, version, operation, data, traceparent, actor)
  select tg_argv[0], c.id, c.version, 'upserted', to_jsonb(c),
    coalesce(the_contexts -> c.id::text ->> 'traceparent', the_traceparent), coalesce(the_contexts -> c.id::text ->> 'actor', the_actor)
  from changed c;
  if found then perform lockstep.wake_relay(); end if;
  return null;
end $$;

create function lockstep.capture_deleted() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
declare
  the_contexts jsonb := nullif(current_setting('lockstep.contexts', true), '');
  the_traceparent text := nullif(current_setting('lockstep.traceparent', true), '');
  the_actor text := nullif(current_setting('lockstep.actor', true), '');
  returned boolean;
begin
  insert into lockstep.tombstones as t (entity, id, version)
  select tg_argv[0], c.id, c.version + 1 from changed c
  on conflict (entity, id) do update set version = excluded.version, at = excluded.at;
  insert into lockstep.outbox (entity, id, version, operation, data, traceparent, actor)
  select tg_argv[0], c.id, c.version + 1, 'deleted', null,
    coalesce(the_contexts -> c.id::text ->> 'traceparent', the_traceparent), coalesce(the_contexts -> c.id::text ->> 'actor', the_actor)
  from changed c;
  if not found then return null; end if;
  -- `with gone as (delete … returning *) insert … select … from gone`: the new row took its version before there was a tombstone.
  execute format('select exists (select from %s where id = any (array(select id from changed)))', tg_relid::regclass) into returned;
  if returned then
    raise exception 'a % cannot be deleted and inserted by one statement', tg_argv[0]
      using errcode = 'feature_not_supported', hint = 'Update it, or use two statements.';
  end if;
  perform lockstep.wake_relay();
  return null;
end $$;

create function lockstep.refuse_truncate() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  raise exception 'TRUNCATE of % is refused: its rows would stay in every replica', tg_table_name
    using errcode = 'feature_not_supported', hint = 'Use DELETE.';
end $$;

-- NOTIFY makes commits wait for each other in the whole database, so it is sent only to a relay that sleeps: it then holds
-- this lock alone. A writer that could share the lock keeps its share until it commits, and while there is such a writer the
-- relay cannot fall asleep: no change is overlooked. (1280262987, 1) is the same pair as in gateway/relay/leader.ts.
create function lockstep.wake_relay() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if not pg_try_advisory_xact_lock_shared(1280262987, 1) then
    perform pg_notify('lockstep_outbox', '');
  end if;
end $$;

-- Installs the triggers on a table that has id uuid (its primary key), version bigint, created_at and updated_at timestamptz.
-- Rows that are there already are not sent; lockstep.send does that (`lockstep backfill`).
-- The triggers also fire where `session_replication_role` says that none should: what comes by replication is a change too.
create function lockstep.capture(captured regclass, entity text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  wanted constant text[] := '{id uuid,version bigint,created_at timestamp with time zone,updated_at timestamp with time zone}';
  missing text[] := array(
    select w from unnest(wanted) w where w not in (
      select format('%s %s', attname, format_type(atttypid, atttypmod)) from pg_attribute
      where attrelid = captured and attnum > 0 and not attisdropped));
  trigger_name text;
begin
  if missing <> '{}' then
    raise exception '% cannot be captured without the columns: %', captured, array_to_string(missing, ', ');
  end if;
  if not exists (
    select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attname = 'id'
    where i.indrelid = captured and i.indisprimary and i.indkey::text = a.attnum::text
  ) then
    raise exception '% cannot be captured: its primary key must be id', captured;
  end if;
  execute format('create trigger lockstep_stamp before insert or update on %s
    for each row execute function lockstep.stamp_row(%L)', captured, entity);
  execute format('create trigger lockstep_inserted after insert on %s referencing new table as changed
    for each statement execute function lockstep.capture_inserted(%L)', captured, entity);
  execute format('create trigger lockstep_updated after update on %s referencing new table as changed
    for each statement execute function lockstep.capture_updated(%L)', captured, entity);
  execute format('create trigger lockstep_deleted after delete on %s referencing old table as changed
    for each statement execute function lockstep.capture_deleted(%L)', captured, entity);
  execute format('create trigger lockstep_truncated before truncate on %s
    for each statement execute function lockstep.refuse_truncate()', captured);
  foreach trigger_name in array '{lockstep_stamp,lockstep_inserted,lockstep_updated,lockstep_deleted,lockstep_truncated}'::text[] loop
    execute format('alter table %s enable always trigger %I', captured, trigger_name);
  end loop;
  insert into lockstep.captured (entity, relation) values (entity, captured);
end $$;
