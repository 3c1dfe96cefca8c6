-- Sending the present state of entities, by their canonical ids.

-- The state of the entities: one row for each id. version is null for an entity that the source does not know, data is
-- null for one that has no row.
create function lockstep.states(entity text, ids text[]) returns table (id text, version bigint, data jsonb)
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform lockstep.relation_of(entity);
  return query execute format('select * from lockstep.%I($1)', lockstep.function_name(entity, 'state')) using ids;
end $$;

-- The next ids in the order of the key, after one or from the first.
create function lockstep.next_ids(entity text, "after" text, most int) returns setof text
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
begin
  perform lockstep.relation_of(entity);
  return query execute format('select * from lockstep.%I($1, $2)', lockstep.function_name(entity, 'next'))
    using "after", most;
end $$;

create function lockstep.put_into_outbox(entity text, ids text[], again boolean) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  sent bigint;
begin
  insert into lockstep.outbox (entity, id, version, operation, data, resend)
  select entity, s.id, s.version, 'upserted', s.data, again
  from lockstep.states(entity, ids) s where s.data is not null order by s.id;
  get diagnostics sent = row_count;
  if sent > 0 then perform lockstep.wake_relay(); end if;
  return sent;
end $$;

-- Puts the present rows of these ids into the outbox, under the versions that they have. A replica that has the version
-- ignores it. Returns how many there were.
create function lockstep.send(entity text, ids text[]) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp as $$
  select lockstep.put_into_outbox(entity, ids, false)
$$;

create function lockstep.without_row(entity text, ids text[]) returns text[]
language sql security definer set search_path = pg_catalog, pg_temp as $$
  select coalesce(array_agg(s.id), '{}') from lockstep.states(entity, ids) s where s.data is null
$$;

-- The same, and replicas that have the version apply it too: what they have may be damaged. An id that has no row is
-- sent as a delete, with the version that the source knows of it, or with the one of at_least (in the order of ids)
-- where that is greater. No delete is sent while the entity's capture is not whole: a row that is not in the captured
-- table may be in the one that has its name.
create function lockstep.resend(entity text, ids text[], at_least bigint[] default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
  relation regclass := lockstep.relation_of(entity);
  missing text[] := lockstep.without_row(entity, ids);
  is_beside boolean := (select c.version is null from lockstep.captured c where c.entity = entity);
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
    if is_beside then
      -- It has locked the version already, or will raise the one that is written here.
      insert into lockstep.row_versions as v (entity, id, version)
      select entity, given.id, greatest(coalesce(max(given.version), 1), 1) from unnest(ids, at_least) as given (id,
        version)
      where given.id = any (missing) group by given.id order by given.id
      on conflict on constraint row_versions_pkey do update set version = greatest(v.version, excluded.version);
    else
      -- Writers wait for this short statement; only ids that the source does not have come here.
      execute format('lock table %s in share mode', relation);
    end if;
    missing := lockstep.without_row(entity, ids);
  end if;
  sent := lockstep.put_into_outbox(entity, ids, true);
  if not is_beside then
    insert into lockstep.tombstones as t (entity, id, version)
    select entity, given.id, greatest(coalesce(max(given.version), 1), 1) from unnest(ids, at_least) as given (id,
      version)
    where given.id = any (missing) group by given.id order by given.id
    on conflict on constraint tombstones_pkey do update set version = greatest(t.version, excluded.version);
  end if;
  insert into lockstep.outbox (entity, id, version, operation, data, resend)
  select entity, s.id, s.version, 'deleted', null, true from lockstep.states(entity, missing) s order by s.id;
  if missing <> '{}' then perform lockstep.wake_relay(); end if;
  return sent + cardinality(missing);
end $$;

-- Raises the versions of rows above those that are given, where they are not: after the source was restored from a
-- backup its replicas have seen versions that it has forgotten, and apply nothing older. The rows' contents stay, so do
-- the times; the change is captured as any other. With a version column, writers of the table wait for this statement.
-- Returns how many were raised.
create function lockstep.overtake(entity text, ids text[], versions bigint[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
  relation regclass := lockstep.relation_of(entity);
  c lockstep.captured := (select k from lockstep.captured k where k.entity = entity);
  raised text[];
  raised_count bigint;
begin
  if c.version is null then
    with given as (
      select s.id, max(g.version) as version from unnest(ids, versions) as g (id, version)
      join lockstep.states(entity, ids) s on s.id = g.id where s.data is not null
        and s.version < g.version group by s.id
    ), higher as (
      insert into lockstep.row_versions as v (entity, id, version)
      select entity, given.id, given.version + 1 from given order by given.id
      on conflict on constraint row_versions_pkey do update set version = greatest(v.version + 1, excluded.version),
        at = excluded.at
      returning v.id
    )
    select array_agg(higher.id) into raised from higher;
    perform lockstep.put_into_outbox(entity, raised, false);
    return coalesce(cardinality(raised), 0);
  end if;
  execute format('alter table %s disable trigger "~lockstep_stamp"', relation);
  execute format('update %s as lockstep_row set %I = lockstep_given.lockstep_version + 1
    from unnest($1, $2) as lockstep_given (lockstep_id, lockstep_version)
    where %s and lockstep_row.%2$I < lockstep_given.lockstep_version', relation, c.version,
    lockstep.key_condition(relation, c.key, 'lockstep_given.lockstep_id')) using ids, versions;
  get diagnostics raised_count = row_count;
  execute format('alter table %s enable always trigger "~lockstep_stamp"', relation);
  return raised_count;
end $$;

-- Begins a backfill, or finds the one that is in progress; one that has finished begins again. A resync that is in
-- progress continues as one. Returns its row.
create function lockstep.begin_backfill(entity text, start_after text default null) returns lockstep.backfills
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  found_row lockstep.backfills;
begin
  perform lockstep.relation_of(entity);
  insert into lockstep.backfills as b (entity, "after") values (entity, start_after)
  on conflict on constraint backfills_pkey do update
    set log_state = null, "after" = excluded."after", sent = 0,
        started_at = clock_timestamp(), moved_at = null, finished_at = null
    where b.finished_at is not null or start_after is not null;
  select * into found_row from lockstep.backfills b where b.entity = entity;
  return found_row;
end $$;

-- Sends the next rows in the order of the key, at most `most`, and saves the position, in one transaction: a backfill
-- that was killed continues exactly where it was. The row's lock makes concurrent backfills take turns. Returns the
-- backfill's row; finished_at is set when there was nothing more. The rows of a resync are marked. A row that is
-- deleted meanwhile is left out: its delete is an event of its own.
create or replace function lockstep.backfill(entity text, most int) returns lockstep.backfills
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  at lockstep.backfills;
  ids text[];
begin
  select * into strict at from lockstep.backfills b where b.entity = entity for update;
  if at.finished_at is not null then
    return at;
  end if;
  ids := array(select n from lockstep.next_ids(entity, at."after", most) n);
  update lockstep.backfills b
  set "after" = coalesce(ids[cardinality(ids)], b."after"),
      sent = b.sent + coalesce(lockstep.put_into_outbox(entity, ids, at.log_state is not null), 0),
      moved_at = clock_timestamp(),
      finished_at = case when cardinality(ids) < most then clock_timestamp() end
  where b.entity = entity
  returning * into at;
  return at;
end $$;
alter function lockstep.backfill(text, int) reset timezone;

-- For the gateway -----------------------------------------------------------------------------------------------------

-- Ends a statement of the gateway that would change a row and leave its version as it is, see 0011-reject-uncaptured.
create function lockstep.reject_uncaptured(id text) returns jsonb language plpgsql as $$
begin
  raise exception 'the change of row % is not captured: its version did not rise', id
    using errcode = 'LS002', hint = 'Run lockstep capture, which repairs the triggers.';
end $$;

-- Ends a statement of the gateway that would change a table without capture. With versions beside the table the
-- statement does not see its new version; its lock of the table keeps the triggers from being changed until it commits.
create function lockstep.require_capture(entity text, relation regclass) returns void
language plpgsql stable security definer set search_path = pg_catalog, pg_temp as $$
begin
  if lockstep.is_captured(entity, relation) is not true then
    raise exception 'changes of % are not captured', relation
      using errcode = 'LS002', hint = 'Run lockstep capture, which repairs the triggers.';
  end if;
end $$;

-- The version that the capture of this statement gives an entity whose versions are beside its table. Locks the
-- version. For RETURNING: the row is locked already. is_new: the statement inserts the row.
create function lockstep.next_version(entity text, id text, is_new boolean default false) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
#variable_conflict use_variable
declare
  found_version bigint;
begin
  select v.version into found_version from lockstep.row_versions v where v.entity = entity and v.id = id for update;
  if found_version is not null then return found_version + 1; end if;
  return case when is_new then 1 else 2 end;
end $$;

-- The present version of an entity whose versions are beside its table. VOLATILE: when PostgreSQL checks a WHERE again
-- because it waited for a row, it must not use the statement's snapshot.
create function lockstep.version_of(entity text, id text) returns bigint
language plpgsql volatile security definer set search_path = pg_catalog, pg_temp set enable_seqscan = off as $$
#variable_conflict use_variable
begin
  return coalesce((select v.version from lockstep.row_versions v where v.entity = entity and v.id = id), 1);
end $$;

-- SQL of a captured table over its alias lockstep_row, for reads and comparison. key_text: the id; key_types: of its
-- components; version_text: bigint; data_text: jsonb as captured; id_condition: finds the row of lockstep_id.id by the
-- index of the key.
create function lockstep.describe(entity text)
returns table (relation regclass, key_text text, key_types text[], version_text text, data_text text, id_condition text)
language sql stable security definer set search_path = pg_catalog, pg_temp as $$
  select c.relation, lockstep.key_expression(c.relation, c.key, 'lockstep_row.'),
    array(select type_name from lockstep.key_columns(c.relation, c.key) order by n),
    case when c.version is null then
      format('coalesce((select v.version from lockstep.row_versions v where v.entity = %L and v.id = %s), 1)',
      c.entity, lockstep.key_expression(c.relation, c.key, 'lockstep_row.')) else format('lockstep_row.%I',
        c.version) end,
    format('(select %s from (select lockstep_row.*) as lockstep_columns)', lockstep.data_expression(c.relation))
      || coalesce(format(' || (select ''{}''::jsonb%s from (select %s as id) as lockstep_id)',
        nullif(lockstep.children_expression(c, false), ''), lockstep.key_expression(c.relation, c.key,
          'lockstep_row.')), ''),
    lockstep.key_condition(c.relation, c.key, 'lockstep_id.id')
  from lockstep.captured c where c.entity = describe.entity
$$;

revoke execute on function lockstep.send, lockstep.resend, lockstep.begin_backfill, lockstep.backfill,
  lockstep.overtake,
  lockstep.states, lockstep.next_ids, lockstep.put_into_outbox, lockstep.without_row from public;
