-- The canonical text of a key: the id of an entity in all tables of Lockstep, in events, URLs and caches.
--
-- The components of the key, in its order, are joined by commas. A component is the text of the cast to `text` with
-- TimeZone=UTC and DateStyle=ISO; citext in lower case, numeric without trailing zeros. In it, `%` is written `%25`,
-- `,` is written `%2C`, and the empty text `%00`. contracts/entity/key.ts does the same.

-- Escapes one component. Inverse: lockstep.key_component.
create function lockstep.key_part(component text) returns text
language sql immutable parallel safe
return case component when '' then '%00' else replace(replace(component, '%', '%25'), ',', '%2C') end;

-- The n-th component of an id, without escapes.
create function lockstep.key_component(id text, n int) returns text
language sql immutable parallel safe
return replace(replace(replace(split_part(id, ',', n), '%00', ''), '%2C', ','), '%25', '%');

-- The type below all domains.
create function lockstep.base_type(type oid) returns oid
language sql stable set search_path = pg_catalog, pg_temp as $$
  with recursive base (oid, typtype, next) as (
    select t.oid, t.typtype, t.typbasetype from pg_type t where t.oid = type
    union all
    select t.oid, t.typtype, t.typbasetype from base join pg_type t on t.oid = base.next where base.typtype = 'd'
  )
  select oid from base where typtype <> 'd'
$$;

-- The columns of a key as SQL. `key_text` makes the component of a column: %s is the prefix of its name (`new.`, or
-- nothing). `from_id` is its value of the id %s. `compared` is true where both are found by `=` of the type.
-- `type_name` is without a length: a component is cast to it. `refusal` says why the column cannot belong to a key.
create function lockstep.key_columns(relation regclass, key text[])
returns table (n int, name text, type_name text, key_text text, from_id text, operator_schema text, refusal text)
language sql stable set search_path = pg_catalog, pg_temp as $$
  select k.n::int, k.name, format_type(base.oid, -1),
    case
      when t.typname = 'citext' then format('lockstep.key_part(lower(%%1$s%s::text collate "default"))', quoted)
      when base.oid = 'numeric'::regtype then format('trim_scale(%%1$s%s)::text', quoted)
      when needs_escape then format('lockstep.key_part(%%1$s%s::text)', quoted)
      else format('%%1$s%s::text', quoted)
    end,
    case
      when needs_escape then format('lockstep.key_component(%%1$s, %s)::%s', k.n, format_type(base.oid, -1))
      when cardinality(key) = 1 then format('%%1$s::%s', format_type(base.oid, -1))
      else format('split_part(%%1$s, '','', %s)::%s', k.n, format_type(base.oid, -1))
    end,
    case when t.typname = 'citext' then (select nspname from pg_namespace where oid = t.typnamespace) end,
    case
      when a.attname is null then format('has no column %I, which belongs to its key', k.name)
      when not a.attnotnull then format('has a key with the column %I, which can be null', k.name)
      when not is_allowed then format(
        'has a key with the column %I of the type %s, which has no text that identifies it',
        k.name, format_type(a.atttypid, a.atttypmod))
      when not coalesce(c.collisdeterministic, true) then format(
        'has a key with the column %I, whose collation %s takes different texts for equal', k.name, c.collname)
    end
  from unnest(key) with ordinality as k (name, n)
  left join pg_attribute a on a.attrelid = relation and a.attname = k.name and a.attnum > 0 and not a.attisdropped
  left join lateral (select lockstep.base_type(a.atttypid) as oid) base on true
  left join pg_type t on t.oid = base.oid
  left join pg_collation c on c.oid = a.attcollation
  cross join lateral (select replace(quote_ident(k.name), '%', '%%') as quoted) as named
  cross join lateral (
    select t.typname = 'citext' or t.typtype = 'e'
      or base.oid = any ('{text,varchar,bpchar}'::regtype[]) as needs_escape
  ) as kind
  cross join lateral (
    select needs_escape or base.oid = any (
      '{uuid,int2,int4,int8,bool,date,time,timestamp,timestamptz,numeric,bytea,inet,cidr}'::regtype[]) as is_allowed
  ) as allowed
  order by k.n
$$;

-- SQL of the id of a row: an expression over its columns with this prefix (`new.`, or nothing).
create function lockstep.key_expression(relation regclass, key text[], prefix text default '') returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('(%s) collate "C"', string_agg(format(key_text, prefix), ' || '','' || ' order by n))
  from lockstep.key_columns(relation, key)
$$;

-- SQL condition that finds the rows of the id (an expression) by these columns.
create function lockstep.key_condition(relation regclass, key text[], id text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select string_agg(format('%I %s %s', name, equal, format(from_id, id)), ' and ' order by n)
  from lockstep.key_columns(relation, key),
    lateral (select case when operator_schema is null then '=' else format('operator(%I.=)',
      operator_schema) end as equal) as found
$$;

-- SQL condition: the row's key is behind that of the id. It uses the key's index: a comparison of rows, or, where the
-- columns' operators differ, the same written out.
create function lockstep.key_after(relation regclass, key text[], id text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  with compared as (
    select k.*, format(from_id, id) as value,
      case when operator_schema is null then '>' else format('operator(%I.>)', operator_schema) end as greater,
      case when operator_schema is null then '=' else format('operator(%I.=)', operator_schema) end as equal
    from lockstep.key_columns(relation, key) k
  )
  select case when bool_and(operator_schema is null)
    then format('(%s) > (%s)', string_agg(quote_ident(name), ', ' order by n), string_agg(value, ', ' order by n))
    else format('(%s)', (
      select string_agg(format('(%s%I %s %s)',
        coalesce((select string_agg(format('%I %s %s and ', f.name, f.equal, f.value), '' order by f.n)
          from compared f where f.n < c.n), ''),
        c.name, c.greater, c.value), ' or ' order by c.n)
      from compared c))
    end
  from compared
$$;

-- The columns of the primary key, in its order; null without one.
create function lockstep.primary_key(relation regclass) returns text[]
language sql stable set search_path = pg_catalog, pg_temp as $$
  select array_agg(a.attname::text order by k.n)
  from pg_index i, unnest(i.indkey::int2[]) with ordinality as k (attnum, n), pg_attribute a
  where i.indrelid = relation and i.indisprimary and k.n <= i.indnkeyatts
    and a.attrelid = relation and a.attnum = k.attnum
$$;

-- The unique index on exactly these columns that decides whether a row exists: the primary key before others, and one
-- that is checked at once before a deferrable one. Null without one.
create function lockstep.key_index(relation regclass, key text[]) returns regclass
language sql stable set search_path = pg_catalog, pg_temp as $$
  select i.indexrelid::regclass from pg_index i
  where i.indrelid = relation and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
    and (
      select array_agg(a.attname::text order by a.attname)
      from unnest(i.indkey::int2[]) with ordinality as k (attnum, n) join pg_attribute a
        on a.attrelid = relation and a.attnum = k.attnum
      where k.n <= i.indnkeyatts
    ) = (select array_agg(name order by name::name) from unnest(key) name)
  order by i.indimmediate desc, i.indisprimary desc, i.indexrelid limit 1
$$;
