-- lockstep.capture for any table, and its reverse.

-- The options of lockstep.capture with all defaults. Children get the qualified name of their table.
create function lockstep.capture_options(relation regclass, options jsonb) returns lockstep.captured
language sql stable set search_path = pg_catalog, pg_temp as $$
  select row(
    null, relation, relation::text,
    coalesce((select array_agg(k order by n) from jsonb_array_elements_text(nullif(options -> 'key',
      'null')) with ordinality e (k, n)),
      lockstep.primary_key(relation)),
    options ->> 'version', options ->> 'createdAt', options ->> 'updatedAt', coalesce(options ->> 'truncate', 'refuse'),
    null, null)::lockstep.captured
$$;

create function lockstep.capture_children(relation regclass, options jsonb)
returns table (member text, relation regclass, name text, key text[], parent_key text[])
language sql stable set search_path = pg_catalog, pg_temp as $$
  select c.member, found.oid, coalesce(found.oid::text, c.relation), array(select jsonb_array_elements_text(c.key)),
    array(select jsonb_array_elements_text(c."parentKey"))
  from jsonb_to_recordset(coalesce(nullif(options -> 'children', 'null'), '[]'))
    as c (member text, relation text, key jsonb, "parentKey" jsonb),
  lateral (select coalesce(to_regclass(c.relation), (
    select to_regclass(format('%I.%s', relnamespace::regnamespace, c.relation)) from pg_class
    where oid = capture_children.relation and c.relation !~ '[.]')) as oid) found
$$;

-- Why a table cannot be captured with these options, with the remedy; no rows when it can.
create function lockstep.capture_obstacles(captured regclass, options jsonb)
returns table (relation regclass, problem text, remedy text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  with c as (select * from lockstep.capture_options(captured, options)),
  child as (select * from lockstep.capture_children(captured, options)),
  set_columns as (
    select s.name, s.type, a.attgenerated from c,
      lateral (values (c.version, 'bigint'), (c.created_at, 'timestamp with time zone'), (c.updated_at,
        'timestamp with time zone')) s (name, type)
    left join pg_attribute a on a.attrelid = captured and a.attname = s.name and a.attnum > 0 and not a.attisdropped
      and format_type(a.atttypid, null) = s.type
    where s.name is not null and (a.attname is null or a.attgenerated <> '')
  )
  select * from lockstep.capture_obstacles(captured)
  union all
  select captured, 'has no primary key: nothing tells its rows apart',
    format('alter table %s add primary key (…)', captured)
  from c where c.key is null
  union all
  select captured, k.refusal, case when k.refusal like '%can be null'
    then format('alter table %s alter column %I set not null', captured, k.name)
    else 'another key: add a unique column of another type, and name it as the key' end
  from c, lockstep.key_columns(captured, c.key) k where k.refusal is not null
  union all
  select captured, format('has no unique index on exactly the key (%s)', array_to_string(c.key, ', ')),
    format('create unique index on %s (%s)', captured, (select string_agg(quote_ident(k), ', ') from unnest(c.key) k))
  from c where c.key is not null and lockstep.key_index(captured, c.key) is null
    and not exists (select from lockstep.key_columns(captured, c.key) k where k.refusal is not null)
  union all
  select captured, 'has a key that is checked at the commit, and a version column', 'capture without the option version'
  from c join pg_constraint k on k.conindid = lockstep.key_index(captured, c.key)
  where c.version is not null and k.condeferred
  union all
  select captured, format('has a version column, and the column %I, which triggers do not see before it is read',
    a.attname),
    'capture without the option version, or make the column stored'
  from c join pg_attribute a on a.attrelid = captured and a.attgenerated = 'v' and not a.attisdropped
  where c.version is not null
  union all
  select captured, 'is without the columns ' || string_agg(format('%s %s', name, type), ', '),
    format('alter table %s %s', captured, string_agg(format('add column %I %s', name, type), ', '))
  from set_columns where attgenerated is null having count(*) > 0
  union all
  select captured, format('generates the column %I itself', name), 'capture without that option'
  from set_columns where attgenerated <> ''
  union all
  select coalesce(child.relation, captured), o.problem, o.remedy
  from c, child, lateral (
    select format('has a child %s, which is no table', child.name), 'name the table with its schema'
      where child.relation is null
    union all
    select 'is its own child', 'capture without that child' where child.relation = captured
    union all
    select format('has a column with the name of its child %s', child.member), 'give the child another name'
    from pg_attribute a where a.attrelid = captured and a.attname = child.member and a.attnum > 0 and not a.attisdropped
    union all
    select k.refusal, 'another key of the child' from lockstep.key_columns(child.relation, child.parent_key
      || child.key) k
    where k.refusal is not null and not (k.refusal like '%can be null' and k.name = any (child.parent_key))
    union all
    select format('refers to %s with other columns than its key', captured),
      'name a column for each column of the key, of the same type'
    where (select array_agg(case when t in ('smallint', 'integer') then 'bigint' when t = 'character varying' then
      'text' else t end)
        from (select type_name from lockstep.key_columns(child.relation, child.parent_key)) k (t))
      is distinct from (select array_agg(case when t in ('smallint', 'integer') then 'bigint'
        when t = 'character varying' then 'text' else t end)
        from (select type_name from lockstep.key_columns(captured, c.key)) k (t))
    union all
    select format('has no unique index within (%s)', array_to_string(child.parent_key || child.key, ', ')),
      format('create unique index on %s (%s)', child.relation,
        (select string_agg(quote_ident(k), ', ') from unnest(child.parent_key || child.key) k))
    where not exists (
      select from pg_index i where i.indrelid = child.relation and i.indisunique and i.indisvalid and i.indpred is null
        and i.indexprs is null and not exists (
          select from unnest(i.indkey::int2[]) with ordinality x (attnum, n) join pg_attribute a
            on a.attrelid = i.indrelid and a.attnum = x.attnum
          where x.n <= i.indnkeyatts and a.attname <> all ((child.parent_key || child.key)::name[])))
    union all
    select b.problem, b.remedy from lockstep.capture_obstacles(child.relation) b where child.relation is not null
  ) o (problem, remedy)
  union all
  select captured, format('has the child table %s twice', relation), 'name each child table once'
  from child group by relation having count(*) > 1
$$;

-- Captures a table. Options: `key`, the columns of its key, default the primary key; `version`, `createdAt`,
-- `updatedAt`, columns that Lockstep sets, default none: versions are beside the table; `truncate`, refuse (default) or
-- delete; `children`: [{member, relation, key, parentKey}], tables whose rows belong to the document.
-- Repeating it repairs the triggers, also those of partitions that were attached later, and generates the functions
-- again. With another table than before it captures that one instead. Rows that are there already are not sent:
-- `lockstep backfill` does that.
-- Writers of the tables wait for the transaction from the moment that a trigger has to be created. A lock_timeout of
-- the caller counts when it is shorter than 5 s.
create function lockstep.capture(relation regclass, entity text, options jsonb) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  given lockstep.captured := lockstep.capture_options(relation, options);
  other record;
  timeout text := current_setting('lock_timeout');
begin
  if entity !~ '^[^:]+$' then raise exception '% is no name for an entity', entity
    using errcode = 'invalid_name'; end if;
  for other in select * from lockstep.capture_obstacles(relation, options) loop
    raise exception '% cannot be captured: % %',
      relation, case when other.relation = relation then 'it' else other.relation::text end, other.problem
      using errcode = 'wrong_object_type', hint = other.remedy;
  end loop;
  -- Replicas would take newer versions for older ones, or keep rows under ids that the source has no more.
  perform from lockstep.captured c where c.entity = entity and c.relation = relation and (
    (c.version is null) <> (given.version is null)
    or c.key <> given.key and not exists (select from lockstep.key_columns(relation, c.key) k
      where k.refusal is not null));
  if found then
    raise exception '% is captured as % with another key, or with its versions in another place', relation, entity
      using errcode = 'object_not_in_prerequisite_state',
        hint = 'Wait for an empty outbox, run lockstep.uncapture, then lockstep.capture, then lockstep repair.';
  end if;
  select c.entity into other from lockstep.captured c where c.relation = relation and c.entity <> entity;
  if found then raise exception '% is captured as % already', relation, other.entity; end if;
  if extract(epoch from timeout::interval) not between 0.001 and 5 then perform set_config('lock_timeout', '5s',
    true); end if;
  insert into lockstep.captured as c (entity, relation, name, key, version, created_at, updated_at, truncate)
  values (entity, relation, relation::text, given.key, given.version, given.created_at, given.updated_at,
    given.truncate)
  on conflict on constraint captured_pkey do update set relation = excluded.relation, name = excluded.name,
    key = excluded.key,
    version = excluded.version, created_at = excluded.created_at, updated_at = excluded.updated_at,
      truncate = excluded.truncate;
  delete from lockstep.captured_children c where c.entity = entity;
  insert into lockstep.captured_children (entity, member, relation, name, key, parent_key)
  select entity, k.member, k.relation, k.name, k.key, k.parent_key from lockstep.capture_children(relation, options) k;
  perform lockstep.generate_functions(entity);
  perform lockstep.install_triggers(entity);
  -- Functions of children that are no more could not be dropped before their triggers.
  if exists (select from lockstep.captured_children c where c.entity = entity) or options ? 'children' then
    perform lockstep.generate_functions(entity);
  end if;
  perform set_config('lock_timeout', timeout, true);
end $$;

-- The options with which an entity is captured.
create function lockstep.options_of(entity text) returns jsonb
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select jsonb_build_object('key', c.key, 'version', c.version, 'createdAt', c.created_at, 'updatedAt', c.updated_at,
    'truncate', c.truncate, 'children', (
      select coalesce(jsonb_agg(jsonb_build_object(
        'member', k.member, 'relation', k.relation::text, 'key', k.key, 'parentKey', k.parent_key) order by k.member),
          '[]')
      from lockstep.captured_children k where k.entity = c.entity))
  from lockstep.captured c where c.entity = options_of.entity
$$;

-- Ends the capture of an entity and removes every trace of it: triggers, functions, versions, tombstones, and what was
-- not sent yet. Its table stays as it is.
create function lockstep.uncapture(entity text) returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  t record;
begin
  for t in
    select tgrelid::regclass as relation, tgname as name
    from pg_trigger join pg_proc p on p.oid = tgfoid and p.pronamespace = 'lockstep'::regnamespace
    where tgparentid = 0 and split_part(p.proname, ':', 2) in (entity, md5(entity))
    order by 1::text, 2
  loop
    execute format('drop trigger %I on %s', t.name, t.relation);
  end loop;
  for t in
    select oid::regprocedure as signature from pg_proc
    where pronamespace = 'lockstep'::regnamespace and split_part(proname, ':', 2) in (entity, md5(entity))
  loop
    execute format('drop function %s', t.signature);
  end loop;
  for t in
    select name from unnest(
      '{captured,row_versions,tombstones,touched,outbox,set_aside,backfills,verifications}'::text[]) name
  loop
    execute format('delete from lockstep.%I where entity = $1', t.name) using entity;
  end loop;
end $$;

-- Removes Lockstep from the database. The captured tables stay as they are.
create function lockstep.uninstall() returns void
language plpgsql set search_path = pg_catalog, pg_temp as $$
begin
  perform lockstep.uncapture(entity) from lockstep.captured;
  drop table if exists public.canaries;
  drop schema lockstep cascade;
end $$;

revoke execute on function lockstep.uncapture, lockstep.uninstall, lockstep.options_of from public;
