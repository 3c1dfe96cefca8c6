-- What the gateway's statements need for any table.

-- The version that a write answered, where it is no column of the row.
alter table lockstep.idempotency_keys add column version bigint;

-- The default of a column as text, evaluated now: its expression, the next value of its sequence, or its domain's
-- default. A statement has one text for all writes; it calls this for a row whose request leaves the value to the
-- database.
create function lockstep.column_default(relation regclass, name text) returns text
language plpgsql volatile as $$
declare
  expression text;
  result text;
begin
  select case
      when a.attidentity <> '' then format('nextval(%L)', pg_get_serial_sequence(relation::text, a.attname))
      else coalesce(pg_get_expr(d.adbin, d.adrelid), t.typdefault) end
    || '::' || format_type(a.atttypid, a.atttypmod)
  into expression
  from pg_attribute a join pg_type t on t.oid = a.atttypid
  left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
  where a.attrelid = relation and a.attname = name and a.attnum > 0 and not a.attisdropped;
  if expression is null then return null; end if;
  execute 'select (' || expression || ')::text' into result;
  return result;
end $$;

-- Applies a JSON merge patch (RFC 7396, section 2).
create function lockstep.merge_patch(target jsonb, patch jsonb) returns jsonb
language plpgsql immutable parallel safe as $$
declare
  name text;
  value jsonb;
  result jsonb := case when jsonb_typeof(target) = 'object' then target else '{}' end;
begin
  if jsonb_typeof(patch) is distinct from 'object' then return patch; end if;
  for name, value in select * from jsonb_each(patch) loop
    result := case when jsonb_typeof(value) = 'null' then result - name
      else result || jsonb_build_object(name, lockstep.merge_patch(result -> name, value)) end;
  end loop;
  return result;
end $$;

-- Runs statements one after the other, with `parents` as their $1, and returns what the last one answers. Each sees
-- what other transactions have committed before it begins, unlike the parts of one statement: the caller has locked the
-- rows that the statements depend on.
create function lockstep.in_turn(statements text[], parents jsonb) returns jsonb
language plpgsql volatile as $$
declare
  n int := cardinality(statements);
  result jsonb;
begin
  if jsonb_array_length(parents) = 0 then return null; end if;
  for i in 1 .. n - 1 loop execute statements[i] using parents; end loop;
  execute statements[n] into result using parents;
  return result;
end $$;

-- Returns the version that a write makes, unless the write accepts only other versions than the one before. That
-- version was another one when the statement began: it ends as a conflict of transactions does, and runs again.
create function lockstep.accept_version(made bigint, accepted jsonb) returns bigint
language plpgsql volatile as $$
begin
  if accepted is null or accepted @> to_jsonb(made - 1) then return made; end if;
  raise exception 'another transaction has changed the version to %', made - 1 using errcode = 'serialization_failure';
end $$;
