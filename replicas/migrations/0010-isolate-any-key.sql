-- Applies a batch except the changes that the table rejects, in one transaction, by halving: one bad row among 2,000
-- costs some 22 savepoints and no round trip.
--
-- Takes the name of the apply function and its parameters, with a document for each change, null for a deleted one.
-- Returns what the apply function returns; and for each rejected change its place in the batch, from 1, with the error.
--
-- Raises the error of a lost connection, a conflict between transactions, a lack of resources, a cancelled statement, a
-- failing server or a read-only one: the caller finds out whether a row causes it. Nothing is applied then. The same
-- code in a RAISE statement is a rule of the table. The first line of the context names the statement, in every
-- language of the server.
create function lockstep.apply_isolated(apply text, ids text[], versions bigint[], deleted boolean[], digests bigint[],
  documents json, again text[], cache_epoch bigint, cache text)
returns table (id text, version bigint, place int, code text, message text, names jsonb, raised boolean)
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
      part := (select coalesce(json_agg(document order by n), '[]')
               from unnest(each_document[low:high]) with ordinality as given (document, n) where document is not null);
      return query execute
        format('select a.id, a.version, null::int, null, null, null::jsonb, null::boolean from lockstep.%I($1, $2, $3, $4, $5, $6, $7, $8) a',
          apply)
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

-- Whether a table accepts any row at all. The replica calls it when many events in a row were rejected, to tell bad
-- events from a table that accepts no write. It applies some present rows once more and undoes that. Null when the
-- table has no row, and PostgreSQL accepts other writes. Errors in a deferred constraint and of ASSERT count too.
-- Twenty at random out of some fifty pages: those that lie side by side may be the very ones that are bad.
create function lockstep.takes_rows(apply text, target regclass, entity text, options jsonb) returns boolean
language plpgsql as $$
declare
  pages bigint := greatest(pg_relation_size(target) / current_setting('block_size')::int, 1);
  read record;
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
  select * into read from lockstep.describe(target, options);
  for present in execute format($query$
    select v.id, v.version, v.digest, json_build_array(to_jsonb(p.document)) as documents,
           e.epoch, case when e.run_id is null then 'off' else 'fenced' end as cache
    from (select %s as id, t.ctid as place, t.tableoid as part from %s as t tablesample system ($2) order by random() limit 20) s
    join lockstep.versions v on v.entity = $1 and v.id = s.id
    cross join lateral (select document from (%s where t.ctid = s.place and t.tableoid = s.part) as document) p, lockstep.cache_epoch e $query$,
    read.key_text, target, read.row_query)
    using entity, least(100, 5000.0 / pages)
  loop
    begin
      execute format('select from lockstep.%I($1, $2, $3, $4, $5, $6, $7, $8)', apply)
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
