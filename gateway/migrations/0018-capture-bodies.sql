-- The bodies of the generated functions, see 0017-generated-capture. Each function here returns PL/pgSQL.

-- Notes what a statement changed of these columns. is_new: SQL of touched.is_new.
create function lockstep.touch_statement(entity text, relation regclass, key text[], event text, is_new text)
  returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.fill('
  insert into lockstep.touched as t (entity, id, is_new, settles)
  select {entity}, lockstep_ids.id, {is_new}, row_number() over () = 1 from (
    select distinct lockstep_found.id from (
      {ids}
    ) as lockstep_found
  ) as lockstep_ids where lockstep_ids.id is not null
  on conflict on constraint touched_pkey do update set is_new = excluded.is_new
    where t.is_new is null and excluded.is_new is not null;
', jsonb_build_object('entity', quote_literal(entity), 'is_new', is_new,
    'ids', case when event = 'replicated' then 'select unnest(lockstep_ids) as id' else lockstep.changed_ids(relation,
      key, event) end))
$$;

-- Versions in a column ------------------------------------------------------------------------------------------------

-- Before each row: the version and the times are the database's to set, whatever the writer gave. A row that gets
-- another key leaves a tombstone and a delete of its old id, and goes on above what the new id had.
create function lockstep.stamp_body(c lockstep.captured) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  is_settled boolean := lockstep.is_settled(c);
  filled jsonb := jsonb_build_object(
    'entity', quote_literal(c.entity), 'version', quote_ident(c.version), 'table', c.name,
    'old_id', lockstep.key_expression(c.relation, c.key, 'old.'),
    'new_id', lockstep.key_expression(c.relation, c.key, 'new.'),
    'is_moved', (select string_agg(case when operator_schema is null then format('new.%1$I <> old.%1$I', name)
        else format('%s <> %s', format(key_text, 'new.'), format(key_text, 'old.')) end, ' or ' order by n)
      from lockstep.key_columns(c.relation, c.key)),
    'context', lockstep.context_values(lockstep.key_expression(c.relation, c.key, 'old.')),
    'condition', lockstep.key_condition(c.relation, c.key, lockstep.key_expression(c.relation, c.key, 'new.')));
begin
  return '#variable_conflict use_variable
declare
  lockstep_moment timestamptz := date_trunc(''milliseconds'', clock_timestamp()); -- documents carry milliseconds
begin
  if tg_op = ''INSERT'' then'
    || case when c.version is null then '
    null;' else lockstep.fill('
    new.{version} := 1 + coalesce((select t.version from lockstep.tombstones t where t.entity = {entity}
      and t.id = {new_id}), 0);', filled) end
    || case when c.created_at is null then '' else format('
    new.%I := lockstep_moment;', c.created_at) end || '
  else'
    || case when c.version is null then '
    null;' else lockstep.fill('
    if {is_moved} then
      new.{version} := lockstep.' || quote_ident(lockstep.function_name(c.entity, 'moved')) || '({old_id}, {new_id},
        old.{version});
' || case when is_settled then '    elsif exists (select from lockstep.touched t where t.xact = pg_current_xact_id()
        and t.entity = {entity} and t.id = {new_id} and t.is_new is not null) then
      new.{version} := old.{version}; -- one version for each transaction
' else '' end || '    else
      -- Under the lock of the row, which is held until the commit: the order of versions is the order of commits.
      new.{version} := old.{version} + 1;
    end if;', filled) end
    || case when c.created_at is null then '' else format('
    new.%1$I := old.%1$I;', c.created_at) end || '
  end if;'
    || case when c.updated_at is null then '' else format('
  new.%I := lockstep_moment;', c.updated_at) end || '
  return new;
end ';
end $$;

-- Deletes the old id of a row that gets another key. Returns the row's version under the new one: above its tombstone,
-- and above the delete of a row that has the new key now and gives it up in the same statement.
create function lockstep.moved_body(c lockstep.captured) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.body_head() || lockstep.fill('
  insert into lockstep.tombstones as t (entity, id, version) values ({entity}, lockstep_old_id, lockstep_version + 1)
  on conflict on constraint tombstones_pkey do update set version = greatest(t.version, excluded.version),
    at = excluded.at;
  {announce}
  perform set_config(''lockstep.moved'', {entity}, true);
  return 2 + greatest(-1,
    (select t.version - 1 from lockstep.tombstones t where t.entity = {entity} and t.id = lockstep_id.id),
    {present})
  from (select lockstep_new_id as id) as lockstep_id;
end ', jsonb_build_object(
    'entity', quote_literal(c.entity), 'present', lockstep.version_expression(c, true),
    'announce', case when lockstep.is_settled(c)
      then format('insert into lockstep.touched as t (entity, id, is_new, settles)
  values (%L, lockstep_old_id, false, true)
  on conflict on constraint touched_pkey do update set is_new = false where t.is_new is null;', c.entity)
      else format('insert into lockstep.outbox (entity, id, version, operation, traceparent, actor)
  values (%L, lockstep_old_id, lockstep_version + 1, ''deleted'', %s);
  ', c.entity, lockstep.context_values('lockstep_old_id')) || lockstep.fill('{wake}', '{}') end))
$$;

-- SQL of the changed rows `c`: id, version and, with data, the data.
create function lockstep.changed_rows(c lockstep.captured, with_data boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.fill('(
    select lockstep_changed.* from (select {gone}) as lockstep_gone,
      lateral (select {key} as id, {version}::bigint as version{data} from changed as lockstep_row) as lockstep_changed
    where lockstep_changed.id is not null and lockstep_changed.version is not null
  ) as c', jsonb_build_object(
    'gone', lockstep.gone_columns(c.relation, c.key || c.version), 'key', lockstep.key_expression(c.relation, c.key),
    'version', quote_ident(c.version),
    'data', case when with_data then ', ' || lockstep.data_expression(c.relation) || ' as data' else '' end))
$$;

-- Compares the changed rows with the tombstones of their ids, and removes these. A row's version was chosen before its
-- id was found free in the index. A write that had to wait there for a delete of the same id did not see its tombstone
-- then; this statement's snapshot is newer and does ...
create function lockstep.check_tombstones(c lockstep.captured) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.fill('
  if current_setting(''transaction_isolation'') in (''repeatable read'', ''serializable'') then
    -- ... except in a transaction with one snapshot, to which only a collision shows what came after it (as a 40001).
    insert into lockstep.tombstones (entity, id, version) select {entity}, c.id, 0 from {rows} on conflict do nothing;
  end if;
  select count(*), bool_or(compared.tombstone >= compared.version) into lockstep_found, lockstep_outdated
  from (
    select c.version, (select t.version from lockstep.tombstones t where t.entity = {entity}
      and t.id = c.id) as tombstone
    from {rows}
  ) as compared
  where compared.tombstone is not null;
  if lockstep_outdated then
    raise exception ''a % of the same id was deleted at this moment'', {entity}
      using errcode = ''serialization_failure'', hint = ''Insert it again, in a statement of its own.'';
  end if;
  if lockstep_found > 0 then
    delete from lockstep.tombstones t where t.entity = {entity} and t.id = any (array(select c.id from {rows}));
  end if;
', jsonb_build_object('entity', quote_literal(c.entity), 'rows', lockstep.changed_rows(c, false)))
$$;

-- How a change becomes an event: an outbox row now, or one at the commit.
create function lockstep.announce_rows(c lockstep.captured, event text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select case when lockstep.is_settled(c) then lockstep.touch_statement(c.entity, c.relation, c.key,
      case event when 'updated' then 'inserted' else event end, (event = 'inserted')::text)
    when event = 'deleted' then lockstep.fill('
  insert into lockstep.outbox (entity, id, version, operation, data, traceparent, actor)
  select {entity}, c.id, c.version + 1, ''deleted'', null, {context} from {rows};
  if found then {wake} end if;
', filled) else lockstep.fill('
  insert into lockstep.outbox (entity, id, version, operation, data, traceparent, actor)
  select {entity}, c.id, c.version, ''upserted'', c.data, {context} from {rows};
  if found then {wake} end if;
', filled) end
  from (select jsonb_build_object('entity', quote_literal(c.entity), 'context', lockstep.context_values('c.id'),
    'rows', lockstep.changed_rows(c, event <> 'deleted')) as filled) f
$$;

-- After each statement: one insert for all of its rows.
create function lockstep.column_body(c lockstep.captured, event text) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  filled jsonb := jsonb_build_object('entity', quote_literal(c.entity), 'announce', lockstep.announce_rows(c, event),
    'check', lockstep.check_tombstones(c), 'rows', lockstep.changed_rows(c, false), 'table', quote_literal(c.name),
    'condition', lockstep.key_condition(c.relation, c.key, 'lockstep_id.id'), 'name', c.name,
    'settling', case when lockstep.is_settled(c)
      then format(E'\n  if current_setting(''lockstep.settling'', true) = %L then return null; end if;', c.entity)
        else '' end);
begin
  if event = 'inserted' then
    return lockstep.body_head('  lockstep_found bigint;
  lockstep_outdated boolean;
') || lockstep.fill('{check}{announce}  return null;
end ', filled);
  elsif event = 'updated' then
    return lockstep.body_head('  lockstep_found bigint;
  lockstep_outdated boolean;
') || lockstep.fill('{settling}
  if current_setting(''lockstep.moved'', true) = {entity} then
    perform set_config(''lockstep.moved'', '''', true);{check}  end if;
{announce}  return null;
end ', filled);
  end if;
  return lockstep.body_head('  lockstep_returned boolean;
') || lockstep.fill('
  insert into lockstep.tombstones as t (entity, id, version) select {entity}, c.id, c.version + 1 from {rows}
  on conflict on constraint tombstones_pkey do update set version = excluded.version, at = excluded.at;
  if not found then return null; end if;
{announce}
  -- `with gone as (delete … returning *) insert … select … from gone`: the new row took its version before there was a
  -- tombstone. The table may have another name now.
  if to_regclass({table}) is not distinct from coalesce(pg_partition_root(tg_relid)::oid, tg_relid) then
    lockstep_returned := exists (select from (select c.id from {rows}) as lockstep_id
      where exists (select from {name} as lockstep_row where {condition}));
  else
    execute format(''select exists (select from unnest($1) as lockstep_id (id)
      where exists (select from %s as lockstep_row where {escaped}))'', tg_relid::regclass)
      into lockstep_returned using array(select c.id from {rows});
  end if;
  if lockstep_returned then
    raise exception ''a % cannot be deleted and inserted by one statement'', {entity}
      using errcode = ''feature_not_supported'', hint = ''Update it, or use two statements.'';
  end if;
  return null;
end ', filled || jsonb_build_object('escaped', replace(replace(filled ->> 'condition', '''', ''''''), '%', '%%')));
end $$;

-- After one row that logical replication, or a session in its role, has changed.
create function lockstep.column_replicated_body(c lockstep.captured) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.body_head('  lockstep_is_delete boolean := tg_op = ''DELETE'';
  lockstep_changed record;
  lockstep_id text;
  lockstep_version bigint;
  lockstep_last bigint;
  lockstep_returned boolean;
') || lockstep.fill('
  -- ALTER TABLE … ENABLE TRIGGER ALL makes this trigger fire in every role.
  if current_setting(''session_replication_role'') <> ''replica'' then return null; end if;
  if lockstep_is_delete then
    lockstep_id := {old_id};
    lockstep_version := old.{version} + 1;
    execute format(''select exists (select from %s as lockstep_row where {escaped})'', tg_relid::regclass)
      into lockstep_returned using lockstep_id;
    if lockstep_returned then
      raise exception ''a % cannot be deleted and inserted by one statement'', {entity}
        using errcode = ''feature_not_supported'', hint = ''Update it, or use two statements.'';
    end if;
    insert into lockstep.tombstones as t (entity, id, version) values ({entity}, lockstep_id, lockstep_version)
    on conflict on constraint tombstones_pkey do update set version = excluded.version, at = excluded.at;
  else
    lockstep_id := {new_id};
    lockstep_version := new.{version};{settling}
    if tg_op = ''INSERT'' or current_setting(''lockstep.moved'', true) = {entity} then
      perform set_config(''lockstep.moved'', '''', true);
      if current_setting(''transaction_isolation'') in (''repeatable read'', ''serializable'') then
        insert into lockstep.tombstones (entity, id, version) values ({entity}, lockstep_id, 0) on conflict do nothing;
      end if;
      delete from lockstep.tombstones t where t.entity = {entity} and t.id = lockstep_id
      returning t.version into lockstep_last;
      if lockstep_last >= lockstep_version then
        raise exception ''a % of the same id was deleted at this moment'', {entity}
          using errcode = ''serialization_failure'', hint = ''Insert it again, in a statement of its own.'';
      end if;
    end if;
  end if;
  {announce}
  return null;
end ', jsonb_build_object('entity', quote_literal(c.entity), 'version', quote_ident(c.version),
    'old_id', lockstep.key_expression(c.relation, c.key, 'old.'),
    'new_id', lockstep.key_expression(c.relation, c.key, 'new.'),
    'escaped', replace(replace(lockstep.key_condition(c.relation, c.key, '$1'), '''', ''''''), '%', '%%'),
    'settling', case when lockstep.is_settled(c)
      then format(E'\n    if current_setting(''lockstep.settling'', true) = %L then return null; end if;', c.entity)
        else '' end,
    'announce', case when lockstep.is_settled(c) then format(
      'insert into lockstep.touched as t (entity, id, is_new, settles)
  values (%L, lockstep_id, tg_op = ''INSERT'', true)
  on conflict on constraint touched_pkey do update set is_new = excluded.is_new where t.is_new is null;', c.entity)
    else format('if lockstep_is_delete then
    insert into lockstep.outbox (entity, id, version, operation, traceparent, actor)
    values (%1$L, lockstep_id, lockstep_version, ''deleted'', lockstep_traceparent, lockstep_actor);
  else
    insert into lockstep.outbox (entity, id, version, operation, data, traceparent, actor)
    select %1$L, lockstep_id, lockstep_version, ''upserted'', lockstep_new.data, lockstep_traceparent, lockstep_actor
    from (select %2$s) as lockstep_gone,
      lateral (select %3$s as data from (select new.*) as lockstep_row) as lockstep_new;
  end if;
  ', c.entity, lockstep.gone_columns(c.relation, c.key), lockstep.data_expression(c.relation))
    || lockstep.fill('{wake}', '{}') end))
$$;

-- Versions beside the table -------------------------------------------------------------------------------------------

-- Raises the versions of the ids, and puts the state of their rows into the outbox.
create function lockstep.beside_statement(c lockstep.captured, ids text, initial text, by_name boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.fill('with lockstep_raised as (
    insert into lockstep.row_versions as v (entity, id, version)
    select {entity}, lockstep_ids.id, {initial} from (
      {ids}
    ) as lockstep_ids where lockstep_ids.id is not null
    on conflict on constraint row_versions_pkey do update set version = v.version + 1, at = excluded.at
    returning v.id, v.version
  )
  insert into lockstep.outbox (entity, id, version, operation, data, traceparent, actor)
  select {entity}, lockstep_id.id, lockstep_id.version,
    case when lockstep_id.data is null then ''deleted'' else ''upserted'' end, lockstep_id.data, {context}
  from (
    select lockstep_id.id, lockstep_id.version, {state} as data from lockstep_raised as lockstep_id offset 0
  ) as lockstep_id', jsonb_build_object(
    'entity', quote_literal(c.entity), 'initial', initial, 'ids', ids,
    'context', lockstep.context_values('lockstep_id.id'), 'state', lockstep.state_expression(c, by_name)))
$$;

-- The statement of an event for a table that has another name than at its capture; $1 to $3 are the writer's context.
create function lockstep.renamed_statement(entity text, event text) returns text
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select 'with lockstep_context as (
    select $1::jsonb as lockstep_contexts, $2::text as lockstep_traceparent, $3::text as lockstep_actor) '
    || regexp_replace(
      lockstep.beside_statement(c, lockstep.changed_ids(c.relation, c.key, event), case event when 'inserted' then '1'
        else '2' end, false),
      '^with ', ', ')
    || ', lockstep_context'
  from lockstep.captured c where c.entity = renamed_statement.entity
$$;

-- After each statement, for a table whose versions are beside it.
create function lockstep.beside_body(c lockstep.captured, event text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.body_head('  lockstep_captured bigint;
') || lockstep.fill('  if to_regclass({table}) is not distinct from coalesce(pg_partition_root(tg_relid)::oid,
  tg_relid) then
  {statement};
  else
    execute lockstep.renamed_statement({entity}, {event}) using lockstep_contexts, lockstep_traceparent, lockstep_actor;
  end if;
  get diagnostics lockstep_captured = row_count;
  if lockstep_captured > 0 then
    {wake}
  elsif exists (select from changed) then
    raise warning ''a change of % is not captured, because a column of its key is gone'', {entity}
      using hint = ''Run lockstep capture, then lockstep repair.'';
  end if;
  return null;
end ', jsonb_build_object(
    'entity', quote_literal(c.entity), 'table', quote_literal(c.name), 'event', quote_literal(event),
    'statement', lockstep.beside_statement(c, lockstep.changed_ids(c.relation, c.key, event),
      case event when 'inserted' then '1' else '2' end, true)))
$$;

-- SQL of the ids of the row that a row trigger has: those of NEW and OLD.
create function lockstep.row_ids(relation regclass, key text[]) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.fill('
  if tg_op <> ''DELETE'' then
    select array_agg(lockstep_key.id) into lockstep_ids
    from (select {gone}) as lockstep_gone,
      lateral (select {key} as id from (select new.*) as lockstep_row) as lockstep_key;
  end if;
  if tg_op <> ''INSERT'' then
    select lockstep_ids || array_agg(lockstep_key.id) into lockstep_ids
    from (select {gone}) as lockstep_gone,
      lateral (select {key} as id from (select old.*) as lockstep_row) as lockstep_key;
  end if;', jsonb_build_object(
    'gone', lockstep.gone_columns(relation, key), 'key', lockstep.key_expression(relation, key)))
$$;

create function lockstep.beside_replicated_body(c lockstep.captured) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.body_head('  lockstep_ids text[];
') || lockstep.fill('
  -- ALTER TABLE … ENABLE TRIGGER ALL makes this trigger fire in every role.
  if current_setting(''session_replication_role'') <> ''replica'' then return null; end if;
{ids}
  {statement};
  if found then {wake} end if;
  return null;
end ', jsonb_build_object('ids', lockstep.row_ids(c.relation, c.key), 'statement', lockstep.beside_statement(c,
    'select distinct unnest(lockstep_ids) as id', 'case when tg_op = ''INSERT'' then 1 else 2 end', true)))
$$;

-- Settled at the commit -----------------------------------------------------------------------------------------------

create function lockstep.touch_body(entity text, relation regclass, key text[], event text, is_own boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.body_head('  lockstep_ids text[];
') || case when event = 'replicated' then '
  if current_setting(''session_replication_role'') <> ''replica'' then return null; end if;
' || lockstep.row_ids(relation, key) else '' end
    || lockstep.touch_statement(entity, relation, key, event, case
      when not is_own then 'null::boolean'
      when event = 'replicated' then 'tg_op = ''INSERT'''
      else (event = 'inserted')::text end) || '  return null;
end '
$$;

-- Gives the entities that this transaction has changed their version, then puts their state into the outbox.
create function lockstep.settled_body(c lockstep.captured, by_name boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.body_head('  lockstep_versions bigint[];
  lockstep_created boolean[];
  lockstep_one text;
') || case when by_name then format('  if lockstep.is_renamed(%L) then
    perform lockstep.settle_renamed(%1$L, lockstep_ids, lockstep_new);
    return;
  end if;', c.entity) else '' end || lockstep.fill(case when c.version is null then '
  with lockstep_raised as (
    insert into lockstep.row_versions as v (entity, id, version)
    select {entity}, given.id, case when given.is_new then 1 else 2 end
    from unnest(lockstep_ids, lockstep_new) as given (id, is_new) order by given.id
    on conflict on constraint row_versions_pkey do update set version = v.version + 1, at = excluded.at
    returning v.id, v.version, old.version is null as is_created
  )
  select array_agg(r.id order by r.id), array_agg(r.version order by r.id), array_agg(r.is_created order by r.id),
    array_agg(given.is_new order by r.id)
  into lockstep_ids, lockstep_versions, lockstep_created, lockstep_new
  from lockstep_raised r join unnest(lockstep_ids, lockstep_new) as given (id, is_new) using (id);
  -- A statement of its own: its snapshot has what others committed before they gave up their locks.
  with lockstep_settled as materialized (
    select lockstep_id.*, {state} as data
    from unnest(lockstep_ids, lockstep_versions, lockstep_created, lockstep_new) as lockstep_id (id, version,
      is_created, is_new)
  ), lockstep_unknown as (
    -- A child whose parent there never was.
    delete from lockstep.row_versions v using lockstep_settled s
    where v.entity = {entity} and v.id = s.id and s.data is null and s.is_created and s.is_new is null
  )' else '
  -- Children have changed alone: their parent gets a version.
  perform set_config(''lockstep.settling'', {entity}, true);
  for lockstep_one in
    select given.id from unnest(lockstep_ids, lockstep_new) as given (id, is_new) where given.is_new is null
      order by given.id
  loop
    update {table} as lockstep_row set {version} = {version} where {condition};
  end loop;
  perform set_config(''lockstep.settling'', '''', true);
  with lockstep_settled as materialized (
    select lockstep_id.*, {state} as data, coalesce({row_version},
      (select t.version from lockstep.tombstones t where t.entity = {entity} and t.id = lockstep_id.id)) as version,
      lockstep_id.is_new is null as is_created
    from unnest(lockstep_ids, lockstep_new) as lockstep_id (id, is_new)
  )' end || '
  insert into lockstep.outbox (entity, id, version, operation, data, traceparent, actor)
  select {entity}, s.id, s.version, case when s.data is null then ''deleted'' else ''upserted'' end, s.data, {context}
  from lockstep_settled s
  where s.version is not null and (s.data is not null or s.is_new is not null or not s.is_created)
  order by s.id;
  if found then {wake} end if;
end ', jsonb_build_object(
    'entity', quote_literal(c.entity), 'state', lockstep.state_expression(c, by_name), 'context',
      lockstep.context_values('s.id'),
    'row_version', coalesce(lockstep.version_expression(c, by_name), ''), 'version', coalesce(quote_ident(c.version),
      ''),
    'table', case when by_name then c.name else c.relation::text end,
    'condition', lockstep.key_condition(c.relation, c.key, 'lockstep_one')))
$$;

-- TRUNCATE, and reading ---------------------------------------------------------------------------------------------

-- Before TRUNCATE: refuses it, or captures it as a delete of each row. One that comes by logical replication has
-- happened at the publisher, and a refusal would stop the subscription.
create function lockstep.truncated_body(c lockstep.captured, relation regclass, key text[]) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.body_head() || lockstep.fill('  if current_setting(''session_replication_role'') <> ''replica'' then
    {refusal}
  end if;
  execute format({statement}, tg_relid::regclass) using lockstep_traceparent, lockstep_actor;
  {wake}
  return null;
end ', jsonb_build_object(
    'refusal', case c.truncate when 'refuse' then
      'raise exception ''TRUNCATE of % is refused: its rows would stay in every replica'', tg_table_name
      using errcode = ''feature_not_supported'', hint = ''Use DELETE.'';'
    else 'if current_setting(''transaction_isolation'') in (''repeatable read'', ''serializable'') then
      raise exception ''TRUNCATE of % is refused in a transaction with one snapshot, which may lack rows'', tg_table_name
        using errcode = ''feature_not_supported'', hint = ''Use READ COMMITTED, or DELETE.'';
    end if;' end,
    'statement', quote_literal(lockstep.fill(case
      when lockstep.is_settled(c) then case when c.version is not null and relation = c.relation then '
    with lockstep_gone as (
      insert into lockstep.tombstones as t (entity, id, version)
      select {entity}, {key}, {version} + 1 from only %1$s as lockstep_row
      on conflict on constraint tombstones_pkey do update set version = excluded.version, at = excluded.at
    )' else '' end || '
    insert into lockstep.touched as t (entity, id, is_new, settles)
    select {entity}, f.id, {is_new}, row_number() over () = 1 from (
      select distinct {key} as id from only %1$s as lockstep_row where {key} is not null
    ) as f
    on conflict on constraint touched_pkey do update set is_new = excluded.is_new where t.is_new is null'
      when c.version is null then '
    with gone as (
      insert into lockstep.row_versions as v (entity, id, version)
      select {entity}, {key}, 2 from only %1$s as lockstep_row
      on conflict on constraint row_versions_pkey do update set version = v.version + 1, at = excluded.at
      returning v.id, v.version
    )
    insert into lockstep.outbox (entity, id, version, operation, traceparent, actor)
    select {entity}, id, version, ''deleted'', $1, $2 from gone'
      else '
    with gone as (
      insert into lockstep.tombstones as t (entity, id, version)
      select {entity}, {key}, {version} + 1 from only %1$s as lockstep_row
      on conflict on constraint tombstones_pkey do update set version = excluded.version, at = excluded.at
      returning t.id, t.version
    )
    insert into lockstep.outbox (entity, id, version, operation, traceparent, actor)
    select {entity}, id, version, ''deleted'', $1, $2 from gone' end, jsonb_build_object(
      'entity', quote_literal(c.entity), 'key', replace(lockstep.key_expression(relation, key), '%', '%%'),
      'version', coalesce(quote_ident(c.version), ''), 'is_new', case when relation = c.relation then 'false'
        else 'null::boolean' end)))))
$$;

-- The rows of these ids: version null for one that is unknown, data null for one that has no row.
create function lockstep.state_body(c lockstep.captured) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.fill('#variable_conflict use_column
begin
  return query select lockstep_id.id, {version}, lockstep_id.data
  from (
    select lockstep_id.id, {state} as data from (select distinct unnest(lockstep_ids) as id) as lockstep_id offset 0
  ) as lockstep_id;
end ', jsonb_build_object('state', lockstep.state_expression(c, true), 'version', case when c.version is null
    then format('coalesce((select v.version from lockstep.row_versions v where v.entity = %L and v.id = lockstep_id.id),
      case when lockstep_id.data is not null then 1 end)', c.entity)
    else format('coalesce(%s,
      (select t.version from lockstep.tombstones t where t.entity = %L and t.id = lockstep_id.id))',
      lockstep.version_expression(c, true), c.entity) end))
$$;

-- The next ids in the order of the key.
create function lockstep.next_body(c lockstep.captured) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.fill('#variable_conflict use_column
begin
  if lockstep_after is null then
    return query select {key} from {table} as lockstep_row order by {order} limit lockstep_most;
  else
    return query select {key} from {table} as lockstep_row where {condition} order by {order} limit lockstep_most;
  end if;
end ', jsonb_build_object('key', lockstep.key_expression(c.relation, c.key), 'table', c.name,
    -- Without the table, a name means the column of the result: the id as text.
    'order', (select string_agg(format('lockstep_row.%I', name), ', ' order by n)
      from unnest(c.key) with ordinality k (name, n)),
    'condition', lockstep.key_after(c.relation, c.key, 'lockstep_after')))
$$;
