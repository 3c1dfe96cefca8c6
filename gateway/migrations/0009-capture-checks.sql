-- Capture is checked, and covers more: changes by logical replication and changes of partitions are captured,
-- `lockstep.capture_problems` names each table whose changes may not be, and `lockstep.notify = off` allows PREPARE
-- TRANSACTION.

-- The qualified name of the table when it was captured. Another table may have that name later.
alter table lockstep.captured add column name text;
update lockstep.captured captured
set name = coalesce(
  (select format('%I.%I', n.nspname, c.relname) from pg_class c join pg_namespace n on n.oid = c.relnamespace
   where c.oid = captured.relation),
  captured.relation::text);
alter table lockstep.captured alter column name set not null;

-- Captures one row that logical replication, or a session in its role, has changed. The rules are those of
-- capture_inserted, capture_updated and capture_deleted.
create function lockstep.capture_replicated() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set enable_seqscan = off as $$
declare
  is_delete boolean := tg_op = 'DELETE';
  changed record;
  changed_version bigint;
  last_version bigint;
  returned boolean;
begin
  -- ALTER TABLE … ENABLE TRIGGER ALL makes this trigger fire in every role.
  if current_setting('session_replication_role') <> 'replica' then return null; end if;
  if is_delete then changed := old; else changed := new; end if;
  changed_version := changed.version + is_delete::int;
  if tg_op = 'INSERT' then
    if current_setting('transaction_isolation') in ('repeatable read', 'serializable') then
      insert into lockstep.tombstones (entity, id, version) values (tg_argv[0], changed.id, 0) on conflict do nothing;
    end if;
    delete from lockstep.tombstones t where t.entity = tg_argv[0] and t.id = changed.id
    returning t.version into last_version;
    if last_version >= changed_version then
      raise exception 'a % of the same id was deleted at this moment', tg_argv[0]
        using errcode = 'serialization_failure', hint = 'Insert it again, in a statement of its own.';
    end if;
  elsif is_delete then
    execute format('select exists (select from %s where id = $1)', tg_relid::regclass) into returned using changed.id;
    if returned then
      raise exception 'a % cannot be deleted and inserted by one statement', tg_argv[0]
        using errcode = 'feature_not_supported', hint = 'Update it, or use two statements.';
    end if;
    insert into lockstep.tombstones as t (entity, id, version) values (tg_argv[0], changed.id, changed_version)
    on conflict (entity, id) do update set version = excluded.version, at = excluded.at;
  end if;
  insert into lockstep.outbox (entity, id, version, operation, data, traceparent, actor)
  values (tg_argv[0], changed.id, changed_version, case when is_delete then 'deleted' else 'upserted' end,
    case when not is_delete then to_jsonb(changed) end,
    nullif(current_setting('lockstep.traceparent', true), ''), nullif(current_setting('lockstep.actor', true), ''));
  perform lockstep.wake_relay();
  return null;
end $$;

-- Refuses TRUNCATE. One that comes by logical replication has happened at the publisher, and a refusal would stop the
-- subscription: it is captured as a delete of each row.
create or replace function lockstep.refuse_truncate() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if current_setting('session_replication_role') <> 'replica' then
    raise exception 'TRUNCATE of % is refused: its rows would stay in every replica', tg_table_name
      using errcode = 'feature_not_supported', hint = 'Use DELETE.';
  end if;
  execute format('
    with gone as (
      insert into lockstep.tombstones as t (entity, id, version)
      select $1, r.id, r.version + 1 from only %s r
      on conflict (entity, id) do update set version = excluded.version, at = excluded.at
      returning t.id, t.version
    )
    insert into lockstep.outbox (entity, id, version, operation) select $1, id, version, ''deleted'' from gone',
    tg_relid::regclass) using tg_argv[0];
  perform lockstep.wake_relay();
  return null;
end $$;

-- As before, but with `lockstep.notify = off` (of a session, role or database) nothing is sent and no lock is taken:
-- the relay finds the change at its next poll (LOCKSTEP_RELAY_POLL_MS). PostgreSQL cannot prepare a transaction that
-- has sent a NOTIFY.
create or replace function lockstep.wake_relay() returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  if current_setting('lockstep.notify', true) = 'off' then return; end if;
  if not pg_try_advisory_xact_lock_shared(1280262987, 1) then
    perform pg_notify('lockstep_outbox', '');
  end if;
end $$;

-- Every trigger of a captured table. `type` is pg_trigger.tgtype. `state` is pg_trigger.tgenabled: A fires always, O
-- unless session_replication_role is replica, R only then, as in the worker that applies logical replication.
-- That worker fires no statement triggers, so a row trigger captures in its role. The states decide which of both
-- fires, at no cost for other writers.
-- The stamp is the last BEFORE trigger by its name: no other trigger can change the version and the times that it sets.
create function lockstep.capture_triggers()
returns table (name text, events text, handler regproc, type int, state "char", per_row boolean)
language sql immutable set search_path = pg_catalog, pg_temp as $$
  values
    ('~lockstep_stamp', 'before insert or update on %s for each row',
      'lockstep.stamp_row'::regproc, 23, 'A'::"char", true),
    ('lockstep_inserted', 'after insert on %s referencing new table as changed for each statement',
      'lockstep.capture_inserted', 4, 'O', false),
    ('lockstep_updated', 'after update on %s referencing new table as changed for each statement',
      'lockstep.capture_updated', 16, 'O', false),
    ('lockstep_deleted', 'after delete on %s referencing old table as changed for each statement',
      'lockstep.capture_deleted', 8, 'O', false),
    ('lockstep_replicated', 'after insert or update or delete on %s for each row',
      'lockstep.capture_replicated', 29, 'R', true),
    ('lockstep_truncated', 'before truncate on %s for each statement', 'lockstep.refuse_truncate', 34, 'A', false)
$$;

-- The table and its partitions. A statement on a partition fires the partition's statement triggers only.
create function lockstep.capture_members(captured regclass) returns setof regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select captured union select relid from pg_partition_tree(captured)
$$;

-- Why not every change of a table can be captured, with the remedy.
create function lockstep.capture_obstacles(captured regclass)
returns table (relation regclass, problem text, remedy text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.oid::regclass, found.problem, found.remedy
  from lockstep.capture_members(captured) member
  join pg_class c on c.oid = member
  cross join lateral (
    select 'is no table', 'capture a table' where c.relkind not in ('r', 'p', 'f')
    union all
    select 'is a foreign table, whose changes no trigger sees',
      format('alter table %s detach partition %s',
        (select inhparent::regclass from pg_inherits where inhrelid = member), member)
    where c.relkind = 'f'
    union all
    select 'is unlogged: PostgreSQL empties it after a crash', format('alter table %s set logged', member)
    where c.relpersistence <> 'p'
    union all
    select 'hides rows from Lockstep by row level security',
      format('alter table %s no force row level security', member)
    where row_security_active(c.oid)
    union all
    select format('inherits from %s: changes by way of that table are not captured', inhparent::regclass),
      case when c.relispartition then format('alter table %s detach partition %s', inhparent::regclass, member)
        else format('alter table %s no inherit %s', member, inhparent::regclass) end
    from pg_inherits where inhrelid = captured and member = captured
    union all
    select format('has the child table %s, whose changes are not captured', inhrelid::regclass),
      format('alter table %s no inherit %s', inhrelid::regclass, member)
    from pg_inherits i join pg_class child on child.oid = i.inhrelid
    where i.inhparent = member and not child.relispartition
  ) found (problem, remedy)
$$;

-- Removes the triggers of Lockstep from one table, except those with the names in `kept`.
create function lockstep.release(relation regclass, kept text[] default '{}') returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  trigger_name name;
begin
  for trigger_name in
    select tgname from pg_trigger where tgrelid = relation and tgparentid = 0 and tgname <> all (kept)
      and tgfoid in (select handler from lockstep.capture_triggers())
  loop
    execute format('drop trigger %I on %s', trigger_name, relation);
  end loop;
end $$;

-- Creates or repairs the triggers of a table and its partitions, and removes triggers of Lockstep with other names.
-- Writers of the table wait for the transaction.
create function lockstep.install_capture(captured regclass, entity text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  member regclass;
  t record;
begin
  for member in
    select m from lockstep.capture_members(captured) m join pg_class c on c.oid = m where c.relkind <> 'f'
  loop
    perform lockstep.release(member, array(select name from lockstep.capture_triggers()));
    for t in select * from lockstep.capture_triggers() loop
      -- A partition has copies of the row triggers of its table.
      continue when t.per_row and member <> captured;
      execute format('create or replace trigger %I ' || t.events || ' execute function %s(%L)',
        t.name, member, t.handler, entity);
      execute format('alter table %s enable %s trigger %I',
        member, case t.state when 'A' then 'always' when 'R' then 'replica' else '' end, t.name);
    end loop;
  end loop;
end $$;

-- Captures a table that has id uuid (its primary key), version bigint, created_at and updated_at timestamptz. Repeating
-- it repairs the triggers, also those of partitions that were attached later. With another table than before it
-- captures that one instead. Rows that are there already are not sent; lockstep.send does that (`lockstep backfill`, `lockstep
-- repair`). Writers of the table wait for the transaction.
create or replace function lockstep.capture(captured regclass, entity text) returns void
language plpgsql set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
  wanted constant text[] :=
    '{id uuid,version bigint,created_at timestamp with time zone,updated_at timestamp with time zone}';
  missing text[] := array(
    select w from unnest(wanted) w where w not in (
      select format('%s %s', attname, format_type(atttypid, atttypmod)) from pg_attribute
      where attrelid = captured and attnum > 0 and not attisdropped));
  other record;
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
  for other in select * from lockstep.capture_obstacles(captured) loop
    raise exception '% cannot be captured: % %', captured, other.relation, other.problem
      using errcode = 'wrong_object_type', hint = other.remedy;
  end loop;
  for other in
    select c.entity, c.relation, exists (select from pg_class where oid = c.relation) as is_there
    from lockstep.captured c where (c.entity = entity) <> (c.relation = captured)
  loop
    if other.entity <> entity then raise exception '% is captured as % already', captured, other.entity; end if;
    if other.is_there then
      perform lockstep.release(member) from lockstep.capture_members(other.relation) member;
    end if;
  end loop;
  perform lockstep.install_capture(captured, entity);
  insert into lockstep.captured (entity, relation, name) values (entity, captured, captured::text)
  on conflict on constraint captured_pkey do update set relation = excluded.relation, name = excluded.name;
end $$;

-- What is wrong with the capture of each table; no row when capture is whole. `declared` are the entities that should
-- be captured, and `meant` the tables that their names mean to the caller. `relation` and `problem` are one sentence.
create function lockstep.capture_problems(declared text[], meant regclass[])
returns table (entity text, relation text, problem text, remedy text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  with named as (
    select c.entity, c.relation, c.name, pg_class.oid is not null as is_there,
      case when d.entity is null then to_regclass(c.name) else d.relation end as meant
    from lockstep.captured c left join pg_class on pg_class.oid = c.relation
    left join unnest(declared, meant) as d (entity, relation) on d.entity = c.entity
  ),
  expected as (
    select n.entity, member, t.*
    from named n, lockstep.capture_members(n.relation) member, lockstep.capture_triggers() t
    where n.is_there
  ),
  wrong as (
    select e.entity, e.member, string_agg(e.name, ', ' order by e.name) as names, case
      when t.oid is null then 'lacks the triggers'
      when t.tgenabled = 'D' then 'has disabled triggers:'
      when t.tgenabled not in (e.state, 'A') then 'has triggers that do not fire for all writers:'
      when t.tgtype <> e.type or t.tgfoid <> e.handler or t.tgattr::text <> '' or t.tgqual is not null
        or encode(t.tgargs, 'escape') <> e.entity || '\000' then 'has other triggers with the names' end as fault
    from expected e left join pg_trigger t on t.tgrelid = e.member and t.tgname = e.name
    group by e.entity, e.member, fault
  )
  select d, d, 'is declared, and no table is captured as it', 'run select lockstep.capture(…) in a migration'
  from unnest(declared) d where d not in (select entity from named)
  union all
  select entity, name, format('%s, and the captured table is %s',
      case when meant is null then 'is not the name of a table any more'
        when meant::text = name then 'is another table now'
        else 'is not the table that the declared name means, ' || meant::text end,
      case when is_there then relation::text else 'dropped' end),
    'run lockstep capture, then lockstep repair'
  from named where meant is distinct from relation or not is_there
  union all
  select n.entity, o.relation::text, o.problem, 'run ' || o.remedy
  from named n, lockstep.capture_obstacles(n.relation) o where n.is_there
  union all
  select entity, member::text, fault || ' ' || names, 'run lockstep capture, then lockstep repair'
  from wrong where fault is not null
  union all
  select e.entity, e.member::text,
    format('has the trigger %s, which runs after %s and can change what that sets', t.tgname, e.name),
    format('run alter trigger %I on %s rename to a name that is sorted before ~', t.tgname, e.member)
  from expected e join pg_trigger t on t.tgrelid = e.member and t.tgname > e.name
  where e.name = '~lockstep_stamp' and t.tgenabled <> 'D'
    and t.tgtype::int & 3 = 3 and t.tgtype::int & 20 <> 0 -- before each row, insert or update
  union all
  select split_part(encode(t.tgargs, 'escape'), '\', 1), t.tgrelid::regclass::text,
    'has triggers of Lockstep, and is not captured', format('run select lockstep.release(%L)', t.tgrelid::regclass)
  from pg_trigger t where t.tgfoid in (select handler from lockstep.capture_triggers())
    and t.tgrelid not in (select member from expected)
  group by 1, 2, 4
$$;

-- The same by what is in the database alone: a table's name is the one that it had when it was captured.
create function lockstep.capture_problems() returns table (entity text, relation text, problem text, remedy text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select * from lockstep.capture_problems('{}', '{}')
$$;

-- The table of a captured entity. Raises when there is none, or when its name means another table now.
create or replace function lockstep.relation_of(entity text) returns regclass
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  found_row lockstep.captured := (select c from lockstep.captured c where c.entity = entity);
begin
  if found_row.relation is null then
    raise exception 'no table is captured as %', entity using errcode = 'undefined_object';
  end if;
  if to_regclass(found_row.name) is distinct from found_row.relation then
    raise exception '% is not the table that is captured as %', found_row.name, entity
      using errcode = 'object_not_in_prerequisite_state', hint = 'Run lockstep capture, then repeat this.';
  end if;
  return found_row.relation;
end $$;

-- As before, but it sends no delete while the entity's capture is not whole: a row that is not in the captured table
-- may be in the one that has its name.
create or replace function lockstep.resend(entity text, ids uuid[], at_least bigint[] default null) returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
  relation regclass := lockstep.relation_of(entity);
  missing uuid[] := lockstep.without_row(relation, ids);
  found_problem record;
  sent bigint;
begin
  if missing <> '{}' then
    for found_problem in select p.relation, p.problem from lockstep.capture_problems() p where p.entity = entity loop
      raise exception 'no delete of a % is sent while its capture is incomplete: % %',
        entity, found_problem.relation, found_problem.problem
        using errcode = 'object_not_in_prerequisite_state', hint = 'Run lockstep capture, then repeat this.';
    end loop;
    -- An insert of such an id that is in progress must not get an older version than the delete that is sent for it.
    -- Writers wait for this short statement; only ids that the source does not have come here.
    execute format('lock table %s in share mode', relation);
    missing := lockstep.without_row(relation, ids);
  end if;
  sent := lockstep.put_into_outbox(entity, ids, true);
  with gone as (
    insert into lockstep.tombstones as t (entity, id, version)
    select entity, given.id, greatest(coalesce(given.version, 1), 1)
    from unnest(ids, at_least) as given (id, version)
    where given.id = any (missing)
    order by given.id
    on conflict on constraint tombstones_pkey do update set version = greatest(t.version, excluded.version)
    returning t.id, t.version
  )
  insert into lockstep.outbox (entity, id, version, operation, data, resend)
  select entity, gone.id, gone.version, 'deleted', null, true from gone;
  if missing <> '{}' then perform lockstep.wake_relay(); end if;
  return sent + cardinality(missing);
end $$;

-- As before, with the new name of the stamp.
create or replace function lockstep.overtake(entity text, ids uuid[], versions bigint[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
  relation regclass := lockstep.relation_of(entity);
  raised bigint;
begin
  execute format('alter table %s disable trigger "~lockstep_stamp"', relation);
  execute format('update %s t set version = given.version + 1 from unnest($1, $2) as given (id, version)
    where t.id = given.id and t.version < given.version', relation) using ids, versions;
  get diagnostics raised = row_count;
  execute format('alter table %s enable always trigger "~lockstep_stamp"', relation);
  return raised;
end $$;

select lockstep.install_capture(relation, entity) from lockstep.captured
where exists (select from pg_class where oid = relation);
