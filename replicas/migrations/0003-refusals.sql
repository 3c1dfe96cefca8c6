-- What a replica does about rows that its tables refuse.

-- Applies a batch but for those of its changes that the table refuses, as lockstep.apply_<table> does otherwise: in one transaction,
-- by halving, so one bad row among 2,000 costs some 22 savepoints and no round trip.
-- Takes what that one takes, but for a document each, null for a deleted one.
-- Answers the ids that had nothing new to say, with the version that is there; and the refused ones by their place in the batch, from 1,
-- with what was said to each alone. Whatever is no refusal (a deadlock, a full disk) is raised: nothing is applied then.
create function lockstep.apply_each(plain text, ids uuid[], versions bigint[], deleted boolean[], digests bigint[], documents json,
  again uuid[], cache_epoch bigint, cache text)
returns table (id uuid, version bigint, place int, code text, message text, names jsonb)
language plpgsql as $$
#variable_conflict use_variable
declare
  each_document json[];
  lows int[];
  highs int[];
  top int := 1;
  low int;
  high int;
  part json;
  said_constraint text;
  said_column text;
  said_table text;
begin
  -- Here and not only in the parts: a lock that a savepoint took is given back with it.
  perform lockstep.hold_epoch(cache_epoch, cache);
  set constraints all immediate;
  select array_agg(nullif(document::text, 'null')::json order by n) into each_document
  from json_array_elements(documents) with ordinality as given (document, n);
  lows := array[1];
  highs := array[cardinality(ids)];
  while top > 0 loop
    low := lows[top];
    high := highs[top];
    top := top - 1;
    begin
      part := (select coalesce(json_agg(document), '[]') from unnest(each_document[low:high]) document where document is not null);
      return query execute
        format('select a.id, a.version, null::int, null, null, null::jsonb from lockstep.%I($1, $2, $3, $4, $5, $6, $7, $8) a', 'apply_' || plain)
        using ids[low:high], versions[low:high], deleted[low:high], digests[low:high], part, again, cache_epoch, cache;
    exception when others then
      get stacked diagnostics code = returned_sqlstate, message = message_text,
        said_constraint = constraint_name, said_column = column_name, said_table = table_name;
      -- The same list as isRefused in platform/database.ts.
      if code !~ '^(22|23|42|44|P0001)' then
        raise;
      end if;
      if low = high then
        id := null;
        version := null;
        place := low;
        names := jsonb_build_object('constraint', said_constraint, 'column', said_column, 'table', said_table);
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

-- Whether a table takes any row at all: asked when many events in a row were refused, to tell bad events from a table that nobody
-- can write to. Some of its present rows are applied once more, of declared columns only, and undone. False also when it has none.
-- Twenty at random out of some fifty pages: those that lie side by side may be the very ones that are bad.
create function lockstep.takes_rows(target regclass, entity text, columns text[]) returns boolean
language plpgsql as $$
declare
  plain text := (select relname from pg_class where oid = target);
  pages bigint := greatest(pg_relation_size(target) / current_setting('block_size')::int, 1);
  present record;
begin
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
      raise exception 'to be undone' using errcode = 'LS002';
    exception
      when sqlstate 'LS002' then return true;
      when others then null;
    end;
  end loop;
  return false;
exception
  when others then return false;
end $$;
