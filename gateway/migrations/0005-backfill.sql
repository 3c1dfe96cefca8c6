-- For `lockstep backfill` and `lockstep repair`.

-- How far the backfill of each entity has come.
create table lockstep.backfills (
  entity text primary key,
  "after" uuid, -- rows up to this id were sent; null: none yet
  sent bigint not null default 0,
  started_at timestamptz not null default clock_timestamp(),
  moved_at timestamptz,
  finished_at timestamptz
);

-- Begins a backfill, or finds the one that is under way; one that has finished begins anew. Answers its row.
create function lockstep.begin_backfill(entity text, start_after uuid default null) returns lockstep.backfills
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  found_row lockstep.backfills;
begin
  perform lockstep.relation_of(entity);
  insert into lockstep.backfills as b (entity, "after") values (entity, start_after)
  on conflict on constraint backfills_pkey do update
    set "after" = excluded."after", sent = 0, started_at = clock_timestamp(), moved_at = null, finished_at = null
    where b.finished_at is not null or start_after is not null;
  select * into found_row from lockstep.backfills b where b.entity = entity;
  return found_row;
end $$;

-- Sends the next rows in the order of ids, at most so many, and moves on, in one transaction: a backfill that was killed goes on
-- exactly where it was. The row's lock makes two that run at once take turns. Answers the backfill's row; finished_at is set when there
-- was nothing more.
create function lockstep.backfill(entity text, most int) returns lockstep.backfills
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  at lockstep.backfills;
  ids uuid[];
begin
  select * into strict at from lockstep.backfills b where b.entity = entity for update;
  if at.finished_at is not null then
    return at;
  end if;
  execute format('select array_agg(id order by id) from (select t.id from %s t where %s order by t.id limit $2) next',
    lockstep.relation_of(entity), case when at."after" is null then '$1 is null' else 't.id > $1' end)
    into ids using at."after", most;
  update lockstep.backfills b
  set "after" = coalesce(ids[cardinality(ids)], b."after"),
      sent = b.sent + coalesce(lockstep.send(entity, ids), 0),
      moved_at = clock_timestamp(),
      finished_at = case when coalesce(cardinality(ids), 0) < most then clock_timestamp() end
  where b.entity = entity
  returning * into at;
  return at;
end $$;

-- Raises the versions of rows above those that are given, where they are not: after the source was restored from a backup its replicas
-- have seen versions that it has forgotten, and take nothing older. The rows' contents stay, so do the times; the change is captured
-- as any other. Writers of the table wait for this statement. Answers how many were raised.
create function lockstep.overtake(entity text, ids uuid[], versions bigint[]) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '5s' as $$
#variable_conflict use_variable
declare
  relation regclass := lockstep.relation_of(entity);
  raised bigint;
begin
  execute format('alter table %s disable trigger lockstep_stamp', relation);
  execute format('update %s t set version = given.version + 1 from unnest($1, $2) as given (id, version)
    where t.id = given.id and t.version < given.version', relation) using ids, versions;
  get diagnostics raised = row_count;
  execute format('alter table %s enable always trigger lockstep_stamp', relation);
  return raised;
end $$;

revoke execute on function lockstep.begin_backfill, lockstep.backfill, lockstep.overtake from public;
