-- What goes with a row into the outbox: the row as jsonb. Where jsonb would lose something, the member is PostgreSQL's
-- text of the value: json (its text is kept), floats (-0), composites and types of extensions (a cast of theirs to json
-- would be taken), arrays of these, arrays of jsonb, and the arrays whose lower bounds are not 1. jsonb's own null in a
-- column that can be null is {"lockstep.jsonNull": true}.
--
-- The expressions name columns without a table. Each is used in a subquery beside `lockstep_gone`, which has a null for
-- every named column: when the owner drops a column, the name finds the null, and writes still succeed.

-- How a type is written: `plain` as jsonb does; `array` as jsonb does unless a lower bound is not 1; `text` as text, of
-- what jsonb could make; `hidden` as text, of what jsonb could fail to make.
create function lockstep.data_form(type oid) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  base pg_type;
  element_form text;
begin
  select * into strict base from pg_type where oid = lockstep.base_type(type);
  if base.typsubscript = 'array_subscript_handler'::regproc and base.typelem <> 0 then
    element_form := lockstep.data_form(base.typelem);
    return case
      -- A list in a list, or a null in it, could be an element or a dimension, null or jsonb's null.
      when lockstep.base_type(base.typelem) = 'jsonb'::regtype then 'text'
      when element_form = 'plain' then 'array' else element_form end;
  end if;
  return case
    when base.typtype = 'c' or base.oid = 'json'::regtype then 'hidden'
    when base.typtype in ('e', 'r', 'm') then 'plain'
    when base.typnamespace <> 'pg_catalog'::regnamespace then 'hidden'
    when base.oid in ('float4'::regtype, 'float8'::regtype) then 'text'
    else 'plain'
  end;
end $$;

-- The columns of a table that need more than to_jsonb of the row.
create function lockstep.special_columns(relation regclass)
returns table (name text, form text, is_required boolean, base_type oid)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select a.attname, form, t.typtype = 'd' and t.typnotnull, found.base_type
  from pg_attribute a join pg_type t on t.oid = a.atttypid,
    lateral (select lockstep.base_type(a.atttypid) as base_type) found,
    lateral (select case when base_type = 'jsonb'::regtype and not a.attnotnull then 'jsonb'
      else lockstep.data_form(a.atttypid) end as form) form_of
  where a.attrelid = relation and a.attnum > 0 and not a.attisdropped and form <> 'plain'
  order by a.attnum
$$;

-- Puts values into the data of a row, for the members that it has. A null value leaves the member as it is.
create function lockstep.set_members(data jsonb, names text[], given jsonb[]) returns jsonb
language sql immutable parallel safe set search_path = pg_catalog, pg_temp as $$
  select data || coalesce(jsonb_object_agg(t.name, t.value), '{}')
  from unnest(names, given) as t (name, value) where data ? t.name and t.value is not null
$$;

-- SQL of the values that replace what to_jsonb of the row has of special columns: null leaves it.
create function lockstep.special_value(name text, form text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case form
    when 'array' then format('case when %1$I::text like ''[%%'' then to_jsonb(%1$I::text) end', name)
    when 'jsonb' then format('case when to_jsonb(%I) = ''null'' then ''{"lockstep.jsonNull": true}''::jsonb end', name)
    else format('to_jsonb(%I::text)', name)
  end
$$;

-- SQL of the data of the row `lockstep_row`.
create function lockstep.data_expression(relation regclass) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  columns record;
  -- A domain that is not null takes an empty value, where its type has one.
  hidden jsonb := (
    select jsonb_object_agg(s.name, case when s.is_required then '{}'::jsonb end)
      from lockstep.special_columns(relation) s
    where s.form = 'hidden' and (not s.is_required or s.base_type = 'json'::regtype
      or exists (select from pg_type where oid = s.base_type and typtype = 'c')));
  whole text := case when hidden is null then 'to_jsonb(lockstep_row)'
    else format('to_jsonb(jsonb_populate_record(lockstep_row, %L::jsonb))', hidden) end;
begin
  select array_agg(s.name) as names, bool_and(s.form in ('array', 'jsonb')) as are_rare,
    string_agg(lockstep.special_value(s.name, s.form), ', ') as given,
    string_agg(case s.form when 'array' then format('%I::text like ''[%%''', s.name)
      else format('to_jsonb(%I) = ''null''', s.name) end, ' or ') as rare,
    string_agg(case when s.form in ('array', 'jsonb')
      then format('%L, coalesce(%s, lockstep_data -> %1$L)', s.name, lockstep.special_value(s.name, s.form))
      else format('%L, %I::text', s.name, s.name) end, ', ') as members
  into columns from lockstep.special_columns(relation) s;
  if columns.names is null then return whole; end if;
  if columns.are_rare then
    return format('case when %s then lockstep.set_members(%s, %L, array[%s]) else %2$s end',
      columns.rare, whole, columns.names, columns.given);
  end if;
  return format('(select case when lockstep_data ?& %L::text[] then lockstep_data || jsonb_build_object(%s)
      else lockstep.set_members(lockstep_data, %1$L, array[%3$s]) end
    from (select %4$s as lockstep_data offset 0) as lockstep_whole)',
    columns.names, columns.members, columns.given, whole);
end $$;

-- Nulls with the names of the columns that the expressions of a row name; those of a key with its types.
create function lockstep.gone_columns(relation regclass, key text[]) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select string_agg(format('null::%s as %I', type_name, name), ', ' order by name)
  from (
    select k.name, coalesce(k.type_name, 'text') from lockstep.key_columns(relation, key) k
    union
    select s.name, 'text' from lockstep.special_columns(relation) s where s.name <> all (key)
  ) as named (name, type_name)
$$;

-- All types that a value of one of the types consists of.
create function lockstep.contained_types(types oid[]) returns oid[]
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive contained (oid) as (
    select distinct unnest(types)
    union
    select part.oid from contained c join pg_type t on t.oid = c.oid cross join lateral (
      select t.typbasetype where t.typtype = 'd'
      union all select t.typelem where t.typelem <> 0 and t.typsubscript = 'array_subscript_handler'::regproc
      union all select a.atttypid from pg_attribute a
        where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
      union all select r.rngsubtype from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
    ) part (oid)
  )
  select array_agg(oid) from contained
$$;

-- The settings of a function that makes texts of the values of these tables, as part of CREATE FUNCTION: those that
-- their types depend on, because each costs some 0.3 µs in every call.
create function lockstep.text_settings(relations regclass[]) returns text
language plpgsql stable set search_path = pg_catalog, pg_temp as $$
declare
  types oid[] := lockstep.contained_types(array(
    select distinct atttypid from pg_attribute where attrelid = any (relations) and attnum > 0 and not attisdropped));
  has_foreign boolean := exists (select from pg_type where oid = any (types) and typtype in ('b', 'p')
    and typnamespace <> 'pg_catalog'::regnamespace and typsubscript <> 'array_subscript_handler'::regproc);
  dates constant oid[] := array['date', 'timestamp', 'timestamptz']::regtype[];
  -- jsonb has dates in ISO whatever DateStyle is, unless they are part of a text.
  has_date_texts boolean := dates && lockstep.contained_types(array(
      select distinct atttypid from pg_attribute where attrelid = any (relations) and attnum > 0 and not attisdropped
        and lockstep.base_type(atttypid) <> all (dates)))
    or exists (
      select from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any (i.indkey::int2[])
      where i.indrelid = any (relations) and i.indisunique and lockstep.base_type(a.atttypid) = any (dates));
begin
  return ' set timezone = ''UTC'''
    || case when has_foreign or has_date_texts then ' set datestyle = ''ISO''' else '' end
    || case when has_foreign or 'interval'::regtype = any (types) then ' set intervalstyle = ''postgres''' else '' end
    || case when has_foreign or exists (select from pg_type where oid = any (types) and typcategory = 'G')
        or types && array['float4', 'float8']::regtype[]::oid[] then ' set extra_float_digits = 1' else '' end
    || case when has_foreign or 'bytea'::regtype = any (types) then ' set bytea_output = ''hex''' else '' end
    || case when 'money'::regtype = any (types) then ' set lc_monetary = ''C''' else '' end;
end $$;
