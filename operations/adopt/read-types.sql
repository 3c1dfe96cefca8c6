-- Takes oids of types. Answers these types and all that they consist of: elements, base types of domains, attributes of
-- composites, subtypes of ranges. Names are as a session with the search path `public` writes them.
with recursive used (oid) as (
  select unnest($1::text::oid[])
  union
  select part.oid from used u join pg_type t on t.oid = u.oid cross join lateral (
    select t.typbasetype where t.typtype = 'd'
    union all select t.typelem where t.typelem <> 0 and t.typsubscript = 'array_subscript_handler'::regproc
    union all select a.atttypid from pg_attribute a
      where t.typtype = 'c' and a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
    union all select r.rngsubtype from pg_range r where t.oid in (r.rngtypid, r.rngmultitypid)
    union all select r.rngtypid from pg_range r where t.oid = r.rngmultitypid
  ) as part (oid)
)
select
  t.oid::int8 as oid,
  n.nspname as schema,
  t.typname as name,
  format_type(t.oid, null) as text,
  t.typtype::text as kind,
  case when t.typsubscript = 'array_subscript_handler'::regproc then t.typelem::int8 end as element,
  case when t.typtype = 'd' then json_build_object('oid', t.typbasetype::int8, 'modifier', t.typtypmod,
    'text', format_type(t.typbasetype, t.typtypmod)) end as base,
  case when t.typtype = 'e' then (
    select coalesce(json_agg(e.enumlabel order by e.enumsortorder), '[]') from pg_enum e where e.enumtypid = t.oid
  ) end as labels,
  case when t.typtype = 'c' then (
    select json_agg(json_build_object('name', a.attname, 'oid', a.atttypid::int8, 'modifier', a.atttypmod,
      'text', format_type(a.atttypid, a.atttypmod)) order by a.attnum)
    from pg_attribute a where a.attrelid = t.typrelid and a.attnum > 0 and not a.attisdropped
  ) end as attributes,
  (select r.rngsubtype::int8 from pg_range r where r.rngtypid = t.oid) as subtype,
  (select r.rngtypid::int8 from pg_range r where r.rngmultitypid = t.oid) as range,
  x.extname as extension,
  xn.nspname as "extensionSchema"
from used u
join pg_type t on t.oid = u.oid
join pg_namespace n on n.oid = t.typnamespace
left join pg_depend e on e.classid = 'pg_type'::regclass and e.objid = t.oid and e.deptype = 'e'
left join pg_extension x on x.oid = e.refobjid
left join pg_namespace xn on xn.oid = x.extnamespace
