-- For `lockstep resync`: a backfill whose rows are applied also by replicas that have their versions already.

-- A resync: identities and ends of the topics when it began. Null: a plain backfill.
alter table lockstep.backfills add column log_state jsonb;

-- Begins to send every row again. Without `anew`, a resync that is in progress continues. An unfinished backfill starts
-- over as a resync, which sends all that the backfill would have sent. Returns its row.
create function lockstep.begin_resync(entity text, log_state jsonb, anew boolean) returns lockstep.backfills
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
#variable_conflict use_variable
declare
  found_row lockstep.backfills;
begin
  perform lockstep.relation_of(entity);
  insert into lockstep.backfills as b (entity, log_state) values (entity, log_state)
  on conflict on constraint backfills_pkey do update
    set log_state = excluded.log_state, "after" = null, sent = 0,
        started_at = clock_timestamp(), moved_at = null, finished_at = null
    where anew or b.finished_at is not null or b.log_state is null;
  select * into found_row from lockstep.backfills b where b.entity = entity;
  return found_row;
end $$;

-- As in 0005-backfill. A resync that is in progress continues as one.
create or replace function lockstep.begin_backfill(entity text, start_after uuid default null) returns lockstep.backfills
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

-- As in 0005-backfill, and the rows of a resync are marked. A row that is deleted meanwhile is left out: its delete is
-- an event of its own.
create or replace function lockstep.backfill(entity text, most int) returns lockstep.backfills
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' as $$
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
      sent = b.sent + coalesce(lockstep.put_into_outbox(entity, ids, at.log_state is not null), 0),
      moved_at = clock_timestamp(),
      finished_at = case when coalesce(cardinality(ids), 0) < most then clock_timestamp() end
  where b.entity = entity
  returning * into at;
  return at;
end $$;

revoke execute on function lockstep.begin_resync from public;
