-- Ids are canonical key texts, and all captured tables get their generated functions.
--
-- Rewrites lockstep.outbox, set_aside and tombstones, and locks the captured tables until it commits: about 3 s for
-- each million tombstones. The captured tables are locked first: a writer holds its table when it needs the outbox.
do $$
declare
  relation regclass;
begin
  for relation in
    select c.relation from lockstep.captured c join pg_class on pg_class.oid = c.relation order by c.relation::text
  loop
    execute format('lock table %s in share row exclusive mode', relation);
  end loop;
end $$;

alter table lockstep.outbox alter column id type text collate "C";
alter table lockstep.tombstones alter column id type text collate "C";
alter table lockstep.set_aside alter column id type text collate "C";
alter table lockstep.backfills alter column "after" type text collate "C";

drop function lockstep.send(text, uuid[]);
drop function lockstep.resend(text, uuid[], bigint[]);
drop function lockstep.without_row(regclass, uuid[]);
drop function lockstep.put_into_outbox(text, uuid[], boolean);
drop function lockstep.overtake(text, uuid[], bigint[]);
drop function lockstep.begin_backfill(text, uuid);

-- Why not every change of a table can be captured, with the remedy.
create or replace function lockstep.capture_obstacles(captured regclass)
returns table (relation regclass, problem text, remedy text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.oid::regclass, found.problem, found.remedy
  from lockstep.capture_members(captured) member
  join pg_class c on c.oid = member
  cross join lateral (
    select 'is no table', 'capture a table' where c.relkind not in ('r', 'p', 'f')
    union all
    select 'is a foreign table, whose changes no trigger sees',
      case when c.relispartition then format('alter table %s detach partition %s',
        (select inhparent::regclass from pg_inherits where inhrelid = member), member)
          else 'capture the table at its own server' end
    where c.relkind = 'f'
    union all
    select 'is unlogged: PostgreSQL empties it after a crash', format('alter table %s set logged', member)
    where c.relpersistence = 'u'
    union all
    select 'is a temporary table', 'capture a permanent table' where c.relpersistence = 't'
    union all
    select 'hides rows from Lockstep by row level security',
      format('alter table %s no force row level security', member)
    where row_security_active(c.oid)
    union all
    select format('has the rule %s, which replaces writes', r.rulename), format('drop rule %I on %s', r.rulename,
      member)
    from pg_rewrite r where r.ev_class = member and r.ev_type <> '1' and r.is_instead and r.ev_enabled <> 'D'
      and c.relkind in ('r', 'p')
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

-- Captures a table, or repairs its capture. An entity that is captured keeps its options. Another one has the key id
-- and the columns version, created_at and updated_at, which Lockstep sets.
create or replace function lockstep.capture(captured regclass, entity text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform lockstep.capture(captured, entity, coalesce(lockstep.options_of(entity),
    '{"key": ["id"], "version": "version", "createdAt": "created_at", "updatedAt": "updated_at"}'));
end $$;
-- The lock_timeout is chosen by the other form.
alter function lockstep.capture(regclass, text) reset lock_timeout;

-- Removes the triggers of Lockstep from one table, except those with the names in `kept`.
create or replace function lockstep.release(relation regclass, kept text[] default '{}') returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  trigger_name name;
begin
  for trigger_name in
    select tgname from pg_trigger join pg_proc p on p.oid = tgfoid and p.pronamespace = 'lockstep'::regnamespace
    where tgrelid = relation and tgparentid = 0 and not tgisinternal and tgname <> all (kept)
  loop
    execute format('drop trigger %I on %s', trigger_name, relation);
  end loop;
end $$;

-- Whether a write to the table is captured as the entity: the table is the captured one, and it and the tables of its
-- children have their triggers. The gateway asks before it accepts writes, twice a second, so this reads a few catalog
-- rows by index. lockstep.capture_problems also finds what other writers can bypass, and says what to do.
drop function lockstep.is_captured(text, regclass);
create function lockstep.is_captured(entity text, relation regclass) returns boolean
language plpgsql stable strict security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
#variable_conflict use_variable
begin
  return exists (
    select from lockstep.captured c where c.entity = entity and c.relation = relation
  ) and not exists (
    select from lockstep.captured_triggers e
    left join pg_trigger t on t.tgrelid = e.relation and t.tgname = e.name
    where e.entity = entity and (t.oid is null or t.tgenabled not in (e.state, 'A') or t.tgfoid <> e.handler
      or t.tgtype <> e.type or t.tgattr::text <> '' or t.tgqual is not null and e.name <> '~lockstep_stamp')
  );
end $$;

select lockstep.capture(c.relation, c.entity, lockstep.options_of(c.entity))
from lockstep.captured c join pg_class on pg_class.oid = c.relation order by c.relation::text;

do $$
declare
  member record;
begin
  for member in
    select t.tgrelid::regclass as relation, t.tgname as name
    from pg_trigger t where t.tgparentid = 0 and t.tgfoid in ('lockstep.stamp_row'::regproc,
      'lockstep.capture_inserted'::regproc,
      'lockstep.capture_updated'::regproc, 'lockstep.capture_deleted'::regproc, 'lockstep.capture_replicated'::regproc,
      'lockstep.refuse_truncate'::regproc)
  loop
    execute format('drop trigger %I on %s', member.name, member.relation);
  end loop;
end $$;

drop function lockstep.install_capture, lockstep.capture_inserted, lockstep.capture_updated, lockstep.capture_deleted,
  lockstep.capture_replicated, lockstep.refuse_truncate;
