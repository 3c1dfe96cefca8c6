-- Ids are the canonical texts of keys (contracts/entity/key.ts), so that an entity may have any key.

-- Rewrites the table under a lock: 5 s for a million entities on two busy cores. Table and index grow by 30 %.
-- Processes of an earlier release stop applying, and report why.
alter table lockstep.versions alter column id type text collate "C";

-- Functions of earlier releases. They take ids as UUIDs, or write all columns of a table.
do $$
declare
  old record;
begin
  for old in
    select oid::regprocedure as signature from pg_proc
    where pronamespace = 'lockstep'::regnamespace
      and (proname in ('apply_each', 'apply_isolated', 'takes_rows')
        or (proname ^@ 'apply_' and pg_get_function_arguments(oid) ^@ 'ids uuid[], '))
  loop
    execute format('drop function %s', old.signature);
  end loop;
end $$;

-- Migrations of projects call this after a change of their table. Apply functions no longer depend on other columns
-- than the declared ones, so there is nothing to do.
create or replace function lockstep.replicate(target regclass, entity text) returns void
language sql as $$ select $$;

-- A component of a key with its separators escaped.
create function lockstep.key_part(component text) returns text language sql immutable strict parallel safe as $$
  select case when component = '' then '%00' else replace(replace(component, '%', '%25'), ',', '%2C') end
$$;

-- The n-th component of a key, from 1. Inverse of lockstep.key_part.
create function lockstep.key_component(id text, n int) returns text language sql immutable strict parallel safe as $$
  select case when split_part(id, ',', n) = '%00' then ''
    else replace(replace(split_part(id, ',', n), '%2C', ','), '%25', '%') end
$$;

-- The type that a domain is made of; any other type is its own.
create function lockstep.base_type(type oid) returns oid language sql stable strict as $$
  with recursive chain as (
    select t.oid, t.typtype, t.typbasetype from pg_type t where t.oid = type
    union all
    select t.oid, t.typtype, t.typbasetype from chain c join pg_type t on t.oid = c.typbasetype where c.typtype = 'd'
  )
  select oid from chain where typtype <> 'd'
$$;

-- Types with the same kind of equality have the same text here: keys that are equal in one are equal in the other.
create function lockstep.equality_of(type oid) returns text language sql stable strict as $$
  select case
    when b.typtype = 'e' or b.typname in ('text', 'varchar', 'name') then 'text'
    when b.typname in ('int2', 'int4', 'int8') then 'integer'
    else b.typname
  end
  from pg_type b where b.oid = lockstep.base_type(type)
$$;

-- A type's name with its schema.
create function lockstep.type_name(type oid) returns text language sql stable strict as $$
  select format('%I.%I', n.nspname, t.typname) from pg_type t join pg_namespace n on n.oid = t.typnamespace where t.oid = type
$$;

-- True when to_jsonb keeps every value of the type. It loses the minus of a floating-point zero, the spelling of json,
-- and types of extensions may have a cast to json.
create function lockstep.is_natural(type oid) returns boolean language sql stable strict as $$
  select case
    when b.typelem <> 0 and b.typlen = -1 then lockstep.is_natural(b.typelem)
    when b.oid in ('json'::regtype, 'float4'::regtype, 'float8'::regtype) or b.typtype = 'c' then false
    else b.typtype <> 'b' or b.typnamespace = 'pg_catalog'::regnamespace
  end
  from pg_type b where b.oid = lockstep.base_type(type)
$$;

-- The columns of a table, in their order:
-- type: for a list of column definitions, with its schema.
-- base: the type without domains. element: of an array; null for other types.
-- input: the type that a document's value is read as. json is a text in documents, so that its spelling stays.
-- output: an expression of the column over the alias t. Its to_jsonb has the form in which the source captures a value.
-- generated: PostgreSQL computes it. always: so that only `overriding system value` writes it.
create function lockstep.table_columns(target regclass)
returns table (name text, place int, type text, base oid, input text, output text, generated boolean, always boolean)
language sql stable as $$
  select a.attname, a.attnum, c.type, b.oid,
    case
      when b.oid = 'json'::regtype then 'text'
      when e.oid = 'json'::regtype then 'text[]'
      else c.type
    end,
    case
      -- Elements that are lists or null would look like another dimension, or like SQL's null.
      when not lockstep.is_natural(b.oid) or e.oid = 'jsonb'::regtype then format('t.%I::text', a.attname)
      -- JSON's null would look like SQL's null, where both are possible.
      when b.oid = 'jsonb'::regtype and not a.attnotnull then format(
        $case$case when t.%1$I = 'null' then '{"lockstep.jsonNull": true}' else t.%1$I end$case$, a.attname)
      when e.oid is not null then format(
        $case$case when array_dims(t.%1$I) ~ '\[(?!1:)' then to_jsonb(t.%1$I::text) else to_jsonb(t.%1$I) end$case$, a.attname)
      else format('t.%I', a.attname)
    end,
    a.attgenerated <> '', a.attidentity = 'a'
  from pg_attribute a
  join pg_type own on own.oid = a.atttypid
  join pg_type b on b.oid = lockstep.base_type(a.atttypid)
  left join pg_type e on b.typelem <> 0 and b.typlen = -1 and e.oid = lockstep.base_type(b.typelem)
  cross join lateral (
    select case when own.typnamespace = 'pg_catalog'::regnamespace
      then format_type(a.atttypid, a.atttypmod) else lockstep.type_name(a.atttypid) end as type
  ) c
  where a.attrelid = target and a.attnum > 0 and not a.attisdropped
$$;

-- The expression of a key's canonical text over the alias t, in contracts/entity/key.ts' form.
create function lockstep.key_expression(target regclass, key text[]) returns text language sql stable as $$
  select string_agg(
    case
      when b.typname = 'numeric' then format('trim_scale(t.%I)::text', k.name)
      when b.typname in ('text', 'varchar', 'bpchar', 'bytea') or b.typtype = 'e' then format('lockstep.key_part(t.%I::text)', k.name)
      when b.typname = 'citext' then format('lockstep.key_part(lower(t.%I::text collate "default"))', k.name)
      else format('t.%I::text', k.name)
    end, $sep$ || ',' || $sep$ order by k.n)
  from unnest(key) with ordinality as k (name, n)
  join lockstep.table_columns(target) c on c.name = k.name
  join pg_type b on b.oid = c.base
$$;
