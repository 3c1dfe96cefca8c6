-- Whatever PostgreSQL answers about a row belongs to that row: an error of any code, and a trigger that skips or changes it.

-- As in 0001, and the apply function also compares what it wrote with what the table has. It raises LS003, which undoes the batch,
-- when a trigger or a rule skipped a row, or changed its id or version. For a row whose other columns a trigger changed, it
-- returns the id without a version: the row is applied, and the cache must not store the event's document.
--
-- The rows are compared only if the table has triggers. The statement that writes also searches for them: its lock keeps others from
-- creating one, and a statement of its own would cost 20 µs. A deferred trigger may still change a row at the commit, so all rows
-- count as changed then.
create or replace function lockstep.replicate(target regclass, entity text) returns void
language plpgsql as $make$
declare
  plain text := (select relname from pg_class where oid = target);
  columns text;
  typed text;
  changes text;
  body text;
begin
  -- Two that start at once must not replace the function at the same time.
  perform pg_advisory_xact_lock(1280262987, 12);
  select string_agg(format('%I', attname), ', ' order by attnum),
         string_agg(format('%I %s', attname, format_type(atttypid, atttypmod)), ', ' order by attnum),
         string_agg(format('%1$I = excluded.%1$I', attname), ', ' order by attnum) filter (where attname <> 'id')
  into columns, typed, changes
  from pg_attribute
  where attrelid = target and attnum > 0 and not attisdropped and attgenerated = '';
  body := format($body$
#variable_conflict use_column
declare
  fresh uuid[];
  gone uuid[];
  all_fresh boolean;
  written bigint;
  has_triggers boolean;
  has_deferred boolean;
  changed record;
begin
  perform lockstep.hold_epoch(cache_epoch, cache);
  with advanced as (
    insert into lockstep.versions as v (entity, id, version, deleted, digest)
    select %1$L, c.id, c.version, c.deleted, c.digest
    from unnest(ids, versions, deleted, digests) as c (id, version, deleted, digest)
    order by c.id
    on conflict (entity, id) do update set version = excluded.version, deleted = excluded.deleted, digest = excluded.digest
      where v.version < excluded.version or (v.version = excluded.version and v.id = any (again))
    returning v.id, v.deleted
  )
  select coalesce(array_agg(id), '{}'), coalesce(array_agg(id) filter (where deleted), '{}') into fresh, gone from advanced;
  all_fresh := cardinality(fresh) = cardinality(ids);
  if cardinality(gone) > 0 then
    delete from %2$s where id = any (gone);
    get diagnostics written = row_count;
    if written < cardinality(gone) and exists (select from %2$s where id = any (gone)) then
      raise exception 'a trigger or a rule of the table skipped the delete' using errcode = 'LS003';
    end if;
  end if;
  if cardinality(gone) < cardinality(fresh) then
    with upserted as (
      insert into %2$s as t (%3$s)
      select %3$s from json_to_recordset(documents) as r (%4$s)
      where all_fresh or r.id in (select unnest(fresh))
      on conflict (id) do update set %5$s
      returning 1
    )
    select count(*), exists (
      select from pg_trigger where tgrelid = to_regclass(%6$L) and not tgisinternal and tgenabled in ('O', 'A')
    ) into written, has_triggers from upserted;
    if written < cardinality(fresh) - cardinality(gone) then
      raise exception 'a trigger of the table skipped the row' using errcode = 'LS003';
    end if;
    if has_triggers then
      has_deferred := exists (select from pg_trigger where tgrelid = to_regclass(%6$L) and not tgisinternal and tginitdeferred);
      for changed in
        select r.id, t.id is null or t.version <> r.version as is_lost
        from json_array_elements(documents) as given (document), json_populate_record(null::%2$s, given.document) as r
        left join %2$s as t on t.id = r.id,
        lateral (select to_jsonb(r) as sent, to_jsonb(t) as stored offset 0) as both_rows
        where (all_fresh or r.id = any (fresh)) and (has_deferred or exists (
          select from json_object_keys(given.document) as member (name)
          where both_rows.sent ->> member.name is distinct from both_rows.stored ->> member.name))
      loop
        if changed.is_lost then
          raise exception 'a trigger of the table removed the row, or changed its id or version' using errcode = 'LS003';
        end if;
        return query select changed.id, null::bigint;
      end loop;
    end if;
  end if;
  if not all_fresh then
    return query
      select v.id, v.version from lockstep.versions v
      where v.entity = %1$L and v.id = any (array(select unnest(ids) except select unnest(fresh)));
  end if;
end $body$, entity, target, columns, typed, changes, target::text);
  if exists (
    select from pg_proc
    where pronamespace = 'lockstep'::regnamespace and proname = 'apply_' || plain and prosrc = body
  ) then
    return;
  end if;
  execute format(
    'create or replace function lockstep.%I(ids uuid[], versions bigint[], deleted boolean[], digests bigint[], documents json, '
    'again uuid[], cache_epoch bigint, cache text) '
    'returns table (id uuid, version bigint) language plpgsql set enable_seqscan = off as %L',
    'apply_' || plain, body);
end $make$;

-- Applies a batch except the changes that the table rejects, in one transaction, by halving. It replaces lockstep.apply_each, which
-- knew some codes only; processes of an earlier release still call that one.
--
-- Takes the same parameters as the apply function and the table's name, with a document for each change, null for a deleted one.
-- Returns what the apply function returns; and for each rejected change its place in the batch, from 1, with the error.
--
-- Raises the error of a lost connection, a conflict between transactions, a lack of resources, a cancelled statement, a failing
-- server or a read-only one: the caller finds out whether a row causes it. Nothing is applied then. The same code in a RAISE
-- statement is a rule of the table. The first line of the context names the statement, in every language of the server.
create function lockstep.apply_isolated(plain text, ids uuid[], versions bigint[], deleted boolean[], digests bigint[], documents json,
  again uuid[], cache_epoch bigint, cache text)
returns table (id uuid, version bigint, place int, code text, message text, names jsonb, raised boolean)
language plpgsql as $$
#variable_conflict use_variable
declare
  each_document json[];
  lows int[];
  highs int[];
  top int;
  low int;
  high int;
  part json;
  error_context text;
  error_constraint text;
  error_column text;
  error_table text;
begin
  -- Here and not only in the parts, because a rolled-back savepoint releases the locks that it took.
  perform lockstep.hold_epoch(cache_epoch, cache);
  set constraints all immediate;
  select array_agg(nullif(document::text, 'null')::json order by n) into each_document
  from json_array_elements(documents) with ordinality as given (document, n);
  if cardinality(ids) = 1 then
    lows := array[1];
    highs := array[1];
    top := 1;
  else -- the caller knows, or expects, that the whole batch fails
    lows := array[cardinality(ids) / 2 + 1, 1];
    highs := array[cardinality(ids), cardinality(ids) / 2];
    top := 2;
  end if;
  while top > 0 loop
    low := lows[top];
    high := highs[top];
    top := top - 1;
    begin
      part := (select coalesce(json_agg(document), '[]') from unnest(each_document[low:high]) document where document is not null);
      return query execute
        format('select a.id, a.version, null::int, null, null, null::jsonb, null::boolean from lockstep.%I($1, $2, $3, $4, $5, $6, $7, $8) a',
          'apply_' || plain)
        using ids[low:high], versions[low:high], deleted[low:high], digests[low:high], part, again, cache_epoch, cache;
    exception when others or assert_failure or query_canceled then
      get stacked diagnostics code = returned_sqlstate, message = message_text, error_context = pg_exception_context,
        error_constraint = constraint_name, error_column = column_name, error_table = table_name;
      raised := split_part(error_context, E'\n', 1) ~ 'RAISE';
      if not raised and code ~ '^(08|40|53|57|58|55P03|25006)' then
        raise;
      end if;
      if low = high then
        id := null;
        version := null;
        place := low;
        names := jsonb_build_object('constraint', error_constraint, 'column', error_column, 'table', error_table);
        return next;
      else
        -- The lower half first: rows are locked in the order of ids.
        lows[top + 1] := (low + high) / 2 + 1;
        highs[top + 1] := high;
        lows[top + 2] := low;
        highs[top + 2] := (low + high) / 2;
        top := top + 2;
      end if;
    end;
  end loop;
end $$;

-- As in 0003: whether a table accepts any of its own rows. Null when it has no row, and PostgreSQL accepts other writes. Errors in
-- a deferred constraint and of ASSERT count too.
create or replace function lockstep.takes_rows(target regclass, entity text, columns text[]) returns boolean
language plpgsql as $$
declare
  plain text := (select relname from pg_class where oid = target);
  pages bigint := greatest(pg_relation_size(target) / current_setting('block_size')::int, 1);
  is_empty boolean;
  applied boolean := false;
  present record;
begin
  set constraints all immediate;
  execute format('select not exists (select from %s)', target) into is_empty;
  if is_empty then
    begin
      insert into lockstep.versions values (entity, gen_random_uuid(), 1, true, null);
      applied := true;
      raise exception 'to be undone';
    exception when others or assert_failure then
      return case when applied then null else false end;
    end;
  end if;
  for present in execute format($query$
    select t.id, v.version, v.digest,
           json_build_array((select json_object_agg(key, value) from json_each(row_to_json(t)) where key = any ($1))) as documents,
           e.epoch, case when e.run_id is null then 'off' else 'fenced' end as cache
    from (select * from %s tablesample system ($3) order by random() limit 20) t
    join lockstep.versions v on v.entity = $2 and v.id = t.id, lockstep.cache_epoch e $query$, target)
    using columns, entity, least(100, 5000.0 / pages)
  loop
    begin
      execute format('select from lockstep.%I($1, $2, $3, $4, $5, $6, $7, $8)', 'apply_' || plain)
        using array[present.id], array[present.version], array[false], array[present.digest], present.documents,
          array[present.id], present.epoch, present.cache;
      applied := true;
      raise exception 'to be undone';
    exception when others or assert_failure then
      if applied then
        return true;
      end if;
    end;
  end loop;
  return false;
exception when others or assert_failure then
  return false;
end $$;
