-- Takes: $1 a table as SQL. Returns a row for each column. Domains count as the types that they restrict.
-- type: name with its modifiers. cast_to: name without modifiers, to cast a text to it. family: pg_type.typname.
-- operators: the schema of its operators where the search path may not have it. collation: null for types without one.
-- form: how jsonb has the value. plain: as it is; array: as it is unless a lower bound is not 1; text: as its text, since
-- jsonb loses something (-0, the spelling of json), or since the type may have a cast to json of its own.
with recursive part as (
  select attnum, attname, atttypid as type, atttypmod as modifier, attcollation
  from pg_attribute where attrelid = to_regclass($1) and attnum > 0 and not attisdropped
  union all
  select attnum, attname, typbasetype, case when typtypmod >= 0 then typtypmod else modifier end, attcollation
  from part join pg_type on oid = type where typtype = 'd'
)
select attname as name, format_type(t.oid, modifier) as type, format('%I.%I', n.nspname, t.typname) as cast_to,
  t.typname as family, case when t.typname = 'citext' then n.nspname end as operators, t.typtype = 'e' as is_enum,
  (select format('%I.%I', cn.nspname, collname) from pg_collation c join pg_namespace cn on cn.oid = collnamespace
   where c.oid = attcollation) as collation,
  case
    when e.oid is not null and (e.typtype = 'e' or e.typtype in ('b', 'r', 'm')
      and e.typnamespace = 'pg_catalog'::regnamespace and e.typname not in ('json', 'jsonb', 'float4', 'float8')) then 'array'
    when e.oid is null and (t.typtype in ('e', 'r', 'm') or t.typtype = 'b'
      and t.typnamespace = 'pg_catalog'::regnamespace and t.typname not in ('json', 'float4', 'float8')) then 'plain'
    else 'text'
  end as form
from part join pg_type t on t.oid = type and t.typtype <> 'd' join pg_namespace n on n.oid = t.typnamespace
left join pg_type e on e.oid = t.typelem and t.typsubscript = 'array_subscript_handler'::regproc
order by attnum
