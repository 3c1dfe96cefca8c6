-- Checks of the capture of any table.

-- What is wrong with the capture of each table; no row when capture is whole. `declared` are the entities that should
-- be captured, and `meant` the tables that their names mean to the caller. `relation` and `problem` are one sentence.
create or replace function lockstep.capture_problems(declared text[], meant regclass[])
returns table (entity text, relation text, problem text, remedy text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  with named as (
    select c.entity, c.relation, c.name, c.columns_hash, c.functions_hash, pg_class.oid is not null as is_there,
      case when d.entity is null then to_regclass(c.name) else d.relation end as meant
    from lockstep.captured c left join pg_class on pg_class.oid = c.relation
    left join unnest(declared, meant) as d (entity, relation) on d.entity = c.entity
  ),
  hashed as materialized (
    select n.*, n.columns_hash is distinct from lockstep.columns_hash(n.entity) as has_changed,
      n.functions_hash is distinct from f.hash as has_other_functions
    from named n left join lockstep.function_hashes() f on f.entity in (n.entity, md5(n.entity)) where n.is_there
  ),
  -- The options are checked again when the columns have changed since the capture.
  obstacles as materialized (
    select n.entity, o.* from hashed n, lockstep.capture_obstacles(n.relation, lockstep.options_of(n.entity)) o
    where n.has_changed
    union all
    select n.entity, o.* from hashed n, lockstep.capture_obstacles(n.relation) o where not n.has_changed
    union all
    select n.entity, o.* from hashed n join lockstep.captured_children k on k.entity = n.entity
    join pg_class on pg_class.oid = k.relation, lockstep.capture_obstacles(k.relation) o where not n.has_changed
  ),
  members as materialized (
    select m as member from named n, lockstep.capture_members(n.relation) m where n.is_there
    union
    select m from lockstep.captured_children k, lockstep.capture_members(k.relation) m
  ),
  wrong as (
    select n.entity, w.member, string_agg(w.name, ', ' order by w.name) as names, w.fault
    from named n, lockstep.wrong_triggers(n.entity) w where n.is_there
    group by n.entity, w.member, w.fault
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
  select k.entity, k.name, case when c.oid is null then 'has rows of an entity and is dropped' else format('is %s now',
    c.oid::regclass) end,
    case when c.oid is null then format('capture %s without its child %s', k.entity, k.member)
      else 'run lockstep capture' end
  from lockstep.captured_children k left join pg_class c on c.oid = k.relation
  where to_regclass(k.name) is distinct from k.relation
  union all
  select o.entity, o.relation::text, o.problem, 'run ' || o.remedy from obstacles o
  union all
  select entity, member::text, fault || ' ' || names, 'run lockstep capture, then lockstep repair' from wrong
  union all
  select n.entity, n.name, case when n.has_other_functions then 'has other functions of its capture'
    else 'has columns that changed since its capture' end, 'run lockstep capture, then lockstep repair'
  from hashed n
  where n.entity not in (select entity from obstacles) and n.meant = n.relation
    and (n.has_other_functions or n.has_changed and exists (
      select from lockstep.capture_functions(n.entity) g
      left join pg_proc p on p.pronamespace = 'lockstep'::regnamespace
        and p.proname = lockstep.function_name(n.entity, g.part)::name
      where p.prosrc is distinct from g.body))
  union all
  select e.entity, e.member::text,
    format('has the trigger %s, which runs after %s and can change what that sets', t.tgname, e.name),
    format('run alter trigger %I on %s rename to a name that is sorted before ~', t.tgname, e.member)
  from (
    select n.entity, x.member, x.name from named n, lockstep.expected_triggers(n.entity) x where n.is_there
      and x.part = 'stamp'
  ) e join pg_trigger t on t.tgrelid = e.member and t.tgname > e.name
  where t.tgenabled <> 'D' and t.tgtype::int & 3 = 3 and t.tgtype::int & 20 <> 0 -- before each row, insert or update
  union all
  select split_part(p.proname, ':', 2), t.tgrelid::regclass::text,
    'has triggers of Lockstep, and is not captured', format('run select lockstep.release(%L)', t.tgrelid::regclass)
  from pg_trigger t join pg_proc p on p.oid = t.tgfoid and p.pronamespace = 'lockstep'::regnamespace
    and p.proname like '%:%'
  where t.tgrelid not in (select member from members)
  group by 1, 2, 4
$$;

drop function lockstep.capture_triggers;
