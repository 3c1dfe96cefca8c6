-- Capture of any table: lockstep.capture generates the functions of 0018-capture-bodies and creates the triggers.

-- The functions of an entity.
create function lockstep.capture_functions(entity text)
returns table (part text, arguments text, result text, settings text, body text)
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_column
declare
  c lockstep.captured := (select k from lockstep.captured k where k.entity = capture_functions.entity);
  is_settled boolean := lockstep.is_settled(c);
  -- PostgreSQL would plan again for each statement when it has planned for a large one before.
  texts text := ' set search_path = pg_catalog, pg_temp set plan_cache_mode = force_generic_plan'
    || lockstep.text_settings(array(
    select c.relation union select k.relation from lockstep.captured_children k where k.entity = c.entity));
  -- A plan is kept for the session's life, made for the first statement that comes and for what the tables hold then.
  by_index constant text := ' set enable_seqscan = off';
  -- The stamp runs for each row, and most keys have one text whatever the settings are.
  stamp_settings text := ' set search_path = pg_catalog, pg_temp' || by_index || case when exists (
      select from lockstep.key_columns(c.relation, c.key)
      where type_name not in ('uuid', 'smallint', 'integer', 'bigint', 'text', 'character varying', 'bpchar',
        'boolean', 'numeric'))
    then lockstep.text_settings(array[c.relation]) else '' end;
begin
  return query select 'stamp', '', 'trigger', stamp_settings, lockstep.stamp_body(c)
    where coalesce(c.version, c.created_at, c.updated_at) is not null;
  return query select 'moved', 'lockstep_old_id text, lockstep_new_id text, lockstep_version bigint', 'bigint',
    texts || by_index, lockstep.moved_body(c) where c.version is not null;
  return query select event, '', 'trigger',
    texts || case when c.version is not null and event = 'updated' then '' else by_index end,
    case when c.version is not null then lockstep.column_body(c, event)
      when is_settled then lockstep.touch_body(c.entity, c.relation, c.key, event, true)
      else lockstep.beside_body(c, event) end
    from unnest('{inserted,updated,deleted}'::text[]) event;
  return query select 'replicated', '', 'trigger', texts || by_index,
    case when c.version is not null then lockstep.column_replicated_body(c)
      when is_settled then lockstep.touch_body(c.entity, c.relation, c.key, 'replicated', true)
      else lockstep.beside_replicated_body(c) end;
  return query select 'truncated', '', 'trigger', texts, lockstep.truncated_body(c, c.relation, c.key);
  return query select event || '.' || k.member, '', 'trigger', texts, case event
      when 'truncated' then lockstep.truncated_body(c, k.relation, k.parent_key)
      else lockstep.touch_body(c.entity, k.relation, k.parent_key, event, false) end
    from lockstep.captured_children k, unnest('{inserted,updated,deleted,replicated,truncated}'::text[]) event
    where k.entity = c.entity;
  return query select 'settled', 'lockstep_ids text[], lockstep_new boolean[]', 'void', texts || by_index,
    lockstep.settled_body(c, true) where is_settled;
  return query select 'state', 'lockstep_ids text[]', 'table (id text, version bigint, data jsonb)', texts || by_index,
    lockstep.state_body(c);
  return query select 'next', 'lockstep_after text, lockstep_most int', 'setof text', texts || by_index,
    lockstep.next_body(c);
end $$;

-- SQL that creates a function.
create function lockstep.create_function(schema text, name text, arguments text, result text, settings text, body text)
returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select format('create or replace function %I.%I(%s) returns %s language plpgsql security definer%s as %L',
    schema, name, arguments, result, settings, body)
$$;

-- The columns of the tables of an entity, with what their texts depend on, and the index of its key: while these are
-- the same, so are the functions.
create function lockstep.columns_hash(entity text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  with tables as (
    select c.relation, i.indexrelid, i.indimmediate
    from lockstep.captured c left join pg_index i on i.indexrelid = lockstep.key_index(c.relation, c.key)
    where c.entity = columns_hash.entity
    union all
    select c.relation, null, null from lockstep.captured_children c where c.entity = columns_hash.entity
  )
  select md5(string_agg(concat_ws(' ', t.relation::text, t.indexrelid is null, t.indimmediate, a.attname,
    format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attgenerated, a.attcollation::regcollation),
    ';' order by t.relation::text, a.attname))
  from tables t join pg_attribute a on a.attrelid = t.relation and a.attnum > 0 and not a.attisdropped
$$;

-- The functions of all entities as they are in the database. A long entity's name is its md5, see function_name.
create function lockstep.function_hashes() returns table (entity text, hash text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select split_part(p.proname, ':', 2), md5(string_agg(md5(p.prosrc) || p.proname || coalesce(p.proconfig::text, ''), ';'
    order by p.proname))
  from pg_proc p where p.pronamespace = 'lockstep'::regnamespace and strpos(p.proname, ':') > 0 group by 1
$$;

-- Creates the functions of an entity, and drops those that it does not need any more. No lock of its tables.
create function lockstep.generate_functions(entity text) returns void
language plpgsql set search_path = pg_catalog, pg_temp set check_function_bodies = off as $$
#variable_conflict use_variable
declare
  f record;
  owner text := (select relowner::regrole from pg_class where oid = 'lockstep.captured'::regclass);
  names text[] := '{}';
begin
  for f in select lockstep.function_name(entity, g.part) as name, g.* from lockstep.capture_functions(entity) g loop
    execute lockstep.create_function('lockstep', f.name, f.arguments, f.result, f.settings, f.body);
    execute format('revoke execute on function lockstep.%I from public', f.name);
    execute format('grant execute on function lockstep.%I to %s', f.name, owner);
    names := names || f.name::text;
  end loop;
  for f in
    select p.oid::regprocedure as signature from pg_proc p
    where p.pronamespace = 'lockstep'::regnamespace and p.proname <> all (names)
      and split_part(p.proname, ':', 2) in (entity, md5(entity))
      and not exists (select from pg_trigger where tgfoid = p.oid)
  loop
    execute format('drop function %s', f.signature);
  end loop;
  update lockstep.captured c
  set columns_hash = lockstep.columns_hash(entity), functions_hash = (
    select h.hash from lockstep.function_hashes() h where h.entity in (entity, md5(entity)))
  where c.entity = entity;
end $$;

-- Every trigger of an entity's table, of its children, and of their partitions. `type` is pg_trigger.tgtype. `state` is
-- pg_trigger.tgenabled: A fires always, O unless session_replication_role is replica, R only then, as in the worker
-- that applies logical replication. That worker fires no statement triggers, so a row trigger captures in its role. The
-- states decide which of both fires, at no cost for other writers.
-- The stamp is the last BEFORE trigger by its name: no other trigger can change what it sets. Its condition is always
-- true, and keeps the columns that it sets from being dropped without CASCADE.
-- `is_clone`: a partition has copies of the row triggers of its table.
create function lockstep.expected_triggers(entity text)
returns table (member regclass, root regclass, name text, events text, part text, handler oid, type int, state "char",
  old_table text, new_table text, is_clone boolean)
language sql stable set search_path = pg_catalog, pg_temp as $$
  with c as (select * from lockstep.captured k where k.entity = expected_triggers.entity),
  both_tables as (
    select c.*, c.version is null as needs_former from c
  ),
  wanted as (
    select c.relation as root, '~lockstep_stamp' as name, 'stamp' as part, 23 as type, 'A'::"char" as state,
      'before insert or update on %s for each row when (' || (
        select string_agg(format('(new.%1$I is null or new.%1$I is not null)', set_column), ' and ')
        from unnest(array[c.version, c.created_at, c.updated_at]) set_column where set_column is not null)
          || ')' as events,
      null as old_table, null as new_table
    from c where coalesce(c.version, c.created_at, c.updated_at) is not null
    union all
    select t.relation, 'lockstep_' || e.event || t.suffix, e.event || t.member, e.type, e.state, case
        when e.event = 'updated' and t.needs_former then replace(e.events, 'referencing',
          'referencing old table as former')
        else e.events end,
      case when e.event = 'updated' and t.needs_former then 'former' else e.old_table end, e.new_table
    from (
      select relation, '' as suffix, '' as member, needs_former from both_tables
      union all
      select k.relation, '_of_' || k.entity, '.' || k.member, true
      from lockstep.captured_children k where k.entity = expected_triggers.entity
    ) t, (values
      ('inserted', 'after insert on %s referencing new table as changed for each statement', 4, 'O'::"char", null,
        'changed'),
      ('updated', 'after update on %s referencing new table as changed for each statement', 16, 'O', null, 'changed'),
      ('deleted', 'after delete on %s referencing old table as changed for each statement', 8, 'O', 'changed', null),
      ('replicated', 'after insert or update or delete on %s for each row', 29, 'R', null, null),
      ('truncated', 'before truncate on %s for each statement', 34, 'A', null, null)
    ) e (event, events, type, state, old_table, new_table)
  )
  select m, w.root, case when octet_length(w.name) <= 63 then w.name else left(w.name, 30) || md5(w.name) end,
    w.events, w.part, to_regproc(format('lockstep.%I', lockstep.function_name(expected_triggers.entity, w.part))),
      w.type, w.state,
    w.old_table, w.new_table, w.type & 1 = 1 and m <> w.root
  from wanted w, lockstep.capture_members(w.root) m
  join pg_class on pg_class.oid = m and pg_class.relkind <> 'f'
$$;

-- What is wrong with the triggers of an entity: no row while they are whole.
create function lockstep.wrong_triggers(entity text)
returns table (member regclass, name text, fault text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select e.member, e.name, found.fault
  from lockstep.expected_triggers(entity) e
  left join pg_trigger t on t.tgrelid = e.member and t.tgname = e.name::name
  cross join lateral (select case
    when t.oid is null then 'lacks the triggers'
    when t.tgenabled = 'D' then 'has disabled triggers:'
    when t.tgenabled not in (e.state, 'A') then 'has triggers that do not fire for all writers:'
    when t.tgtype <> e.type or t.tgfoid is distinct from e.handler or t.tgattr::text <> ''
      or t.tgoldtable is distinct from e.old_table or t.tgnewtable is distinct from e.new_table
      or (t.tgqual is not null and e.part <> 'stamp') then 'has other triggers with the names' end) found (fault)
  where found.fault is not null
$$;

-- Creates or repairs the triggers of an entity, and drops those of its functions that it does not need. Locks the
-- tables only when something is wrong, in the order of their names. Writers wait for the transaction.
create function lockstep.install_triggers(entity text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  t record;
  tables regclass[] := array(
    select e.member from lockstep.expected_triggers(entity) e
    union
    select d.relation from lockstep.dispensable_triggers(entity) d);
begin
  if not exists (select from lockstep.wrong_triggers(entity))
    and not exists (select from lockstep.dispensable_triggers(entity))
    and exists (select from lockstep.captured_triggers c where c.entity = entity) then
    return;
  end if;
  for t in select r from unnest(tables) r order by r::text loop
    execute format('lock table %s in share row exclusive mode', t.r);
  end loop;
  for t in select * from lockstep.dispensable_triggers(entity) loop
    execute format('drop trigger %I on %s', t.name, t.relation);
  end loop;
  for t in
    select e.* from lockstep.expected_triggers(entity) e join lockstep.wrong_triggers(entity) w using (member, name)
    order by e.is_clone, e.member::text, e.name
  loop
    if not t.is_clone then
      execute format('create or replace trigger %I ' || t.events || ' execute function lockstep.%I()',
        t.name, t.member, lockstep.function_name(entity, t.part));
    end if;
    execute format('alter table %s enable %s trigger %I',
      t.member, case t.state when 'A' then 'always' when 'R' then 'replica' else '' end, t.name);
  end loop;
  delete from lockstep.captured_triggers c where c.entity = entity;
  insert into lockstep.captured_triggers (entity, relation, name, handler, state, type)
  select entity, e.root, e.name, e.handler, e.state, e.type from lockstep.expected_triggers(entity) e
  where e.member = e.root;
end $$;

-- The triggers with functions of an entity that it does not need: of other tables, and of other names.
create function lockstep.dispensable_triggers(entity text) returns table (relation regclass, name text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select t.tgrelid, t.tgname
  from pg_trigger t join pg_proc p on p.oid = t.tgfoid and p.pronamespace = 'lockstep'::regnamespace
  where t.tgparentid = 0 and split_part(p.proname, ':', 2) in (dispensable_triggers.entity,
    md5(dispensable_triggers.entity))
    and not exists (
      select from lockstep.expected_triggers(entity) e
      where e.member = t.tgrelid and e.name::name = t.tgname and e.part = split_part(p.proname, ':', 1))
$$;

-- Whether a table of the entity has another name than at its capture.
create function lockstep.is_renamed(entity text) returns boolean
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select exists (select from lockstep.captured c where c.entity = is_renamed.entity and to_regclass(c.name) is distinct
    from c.relation)
    or exists (select from lockstep.captured_children c where c.entity = is_renamed.entity
      and to_regclass(c.name) is distinct from c.relation)
$$;

-- Settles an entity whose tables have other names than at their capture: slowly, by a function for this transaction.
create function lockstep.settle_renamed(entity text, ids text[], is_new boolean[]) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  f record;
begin
  select g.settings, lockstep.settled_body(c, false) as body into strict f
  from lockstep.captured c, lockstep.capture_functions(entity) g where c.entity = entity and g.part = 'settled';
  execute lockstep.create_function('pg_temp', 'lockstep_settled', 'lockstep_ids text[], lockstep_new boolean[]', 'void',
    f.settings, f.body);
  execute 'select pg_temp.lockstep_settled($1, $2)' using ids, is_new;
end $$;

-- At the commit: settles what the transaction has changed, entity by entity, in the order of names.
create function lockstep.settle_touched() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
  one record;
begin
  for one in
    with taken as (
      delete from lockstep.touched t where t.xact = pg_current_xact_id() returning t.entity, t.id, t.is_new
    )
    select entity, array_agg(id order by id) as ids, array_agg(is_new order by id) as is_new
    from taken group by entity order by entity
  loop
    execute format('select lockstep.%I($1, $2)', lockstep.function_name(one.entity, 'settled')) using one.ids,
      one.is_new;
  end loop;
  return null;
end $$;

create constraint trigger settle after insert on lockstep.touched deferrable initially deferred
  for each row when (new.settles) execute function lockstep.settle_touched();
alter table lockstep.touched enable always trigger settle;
