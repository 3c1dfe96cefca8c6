-- Sending the present state of entities once more, without a change of them: for backfill, repair and replay.

-- Puts the present rows of these ids into the outbox, under the versions that they have. Who has heard of a version already
-- ignores it. Answers how many there were.
create function lockstep.send(entity text, ids uuid[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
#variable_conflict use_variable
begin
  return lockstep.put_into_outbox(entity, ids, false);
end $$;

-- The same, to be applied also by those who have heard of that version: what they have may be damaged. An id that has no row is
-- sent as a delete, with its tombstone's version, or with the one of at_least (in the order of ids) where that is greater or
-- nothing is known of the id.
create function lockstep.resend(entity text, ids uuid[], at_least bigint[] default null) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
  relation regclass := lockstep.relation_of(entity);
  missing uuid[];
  sent bigint;
begin
  missing := lockstep.without_row(relation, ids);
  if missing <> '{}' then
    -- An insert of such an id that is under way must not come to have an older version than the delete that is sent for it.
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

-- The table of a captured entity. Raises when there is none.
create function lockstep.relation_of(entity text) returns regclass
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  found_relation regclass := (select c.relation from lockstep.captured c where c.entity = entity);
begin
  if found_relation is null then
    raise exception 'no table is captured as %', entity using errcode = 'undefined_object';
  end if;
  return found_relation;
end $$;

create function lockstep.without_row(relation regclass, ids uuid[]) returns uuid[]
language plpgsql set search_path = pg_catalog, pg_temp as $$
declare
  missing uuid[];
begin
  execute format('select coalesce(array_agg(distinct given), ''{}'') from unnest($1) as given
    where not exists (select from %s t where t.id = given)', relation) into missing using ids;
  return missing;
end $$;

create function lockstep.put_into_outbox(entity text, ids uuid[], again boolean) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  sent bigint;
begin
  execute format('insert into lockstep.outbox (entity, id, version, operation, data, resend)
    select $1, t.id, t.version, ''upserted'', to_jsonb(t), $3 from %s t where t.id = any($2) order by t.id',
    lockstep.relation_of(entity)) using entity, ids, again;
  get diagnostics sent = row_count;
  if sent > 0 then perform lockstep.wake_relay(); end if;
  return sent;
end $$;

revoke execute on function lockstep.send, lockstep.resend from public;
