-- Takes nothing. Answers the tables and views of all schemas that belong to users: one row each, with columns, keys and
-- foreign keys as JSON. Reads the catalogue only, and takes no lock on a table.
-- Type names are as a session with the search path `public` writes them; the caller sets it.
select
  c.oid::int8 as oid,
  n.nspname as schema,
  c.relname as name,
  c.relkind::text as kind,
  case when c.relispartition then (
    select format('%I.%I', pn.nspname, p.relname)
    from pg_partition_ancestors(c.oid) a join pg_class p on p.oid = a.relid join pg_namespace pn on pn.oid = p.relnamespace
    order by (select count(*) from pg_partition_ancestors(p.oid)) limit 1
  ) end as "partitionOf",
  greatest(c.reltuples, 0)::float8 + (
    select coalesce(sum(greatest(l.reltuples, 0)), 0)::float8 from pg_partition_tree(c.oid) t join pg_class l on l.oid = t.relid
    where t.isleaf and t.relid <> c.oid
  ) as "estimatedRows",
  (
    select json_agg(json_build_object(
      'name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'typeOid', a.atttypid::int8, 'modifier', a.atttypmod,
      'notNull', a.attnotnull, 'dimensions', a.attndims, 'identity', a.attidentity, 'generated', a.attgenerated,
      'default', pg_get_expr(d.adbin, d.adrelid)) order by a.attnum)
    from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  ) as columns,
  (
    -- The primary key, else the first unique index that decides for each row.
    select json_agg(a.attname order by k.n)
    from (
      select i.* from pg_index i
      where i.indrelid = c.oid and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
        and (i.indisprimary or i.indimmediate and not exists (
          select from unnest(i.indkey::int2[]) with ordinality as u (attnum, n) join pg_attribute ua
            on ua.attrelid = c.oid and ua.attnum = u.attnum
          where u.n <= i.indnkeyatts and not ua.attnotnull))
      order by i.indisprimary desc, i.indnkeyatts, i.indexrelid limit 1
    ) i
    cross join lateral unnest(i.indkey::int2[]) with ordinality as k (attnum, n)
    join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum
    where k.n <= i.indnkeyatts
  ) as key,
  (
    select coalesce(json_agg(json_build_object('name', o.conname, 'columns', (
      select json_agg(a.attname order by k.n) from unnest(o.conkey) with ordinality as k (attnum, n)
      join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum)) order by o.conname), '[]')
    from pg_constraint o where o.conrelid = c.oid and o.contype = 'u'
  ) as uniques,
  (
    select coalesce(json_agg(json_build_object(
      'name', o.conname, 'onDelete', o.confdeltype,
      'target', json_build_object('schema', tn.nspname, 'name', t.relname),
      'columns', (select json_agg(a.attname order by k.n) from unnest(o.conkey) with ordinality as k (attnum, n)
        join pg_attribute a on a.attrelid = c.oid and a.attnum = k.attnum),
      'targetColumns', (select json_agg(a.attname order by k.n) from unnest(o.confkey) with ordinality as k (attnum, n)
        join pg_attribute a on a.attrelid = o.confrelid and a.attnum = k.attnum)) order by o.conname), '[]')
    from pg_constraint o join pg_class t on t.oid = o.confrelid join pg_namespace tn on tn.oid = t.relnamespace
    where o.conrelid = c.oid and o.contype = 'f' and o.conparentid = 0
  ) as "foreignKeys"
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p', 'v', 'm', 'f')
  and n.nspname not in ('information_schema', 'lockstep', 'lockstep_next', 'lockstep_old') and n.nspname !~ '^pg_'
  and not (n.nspname = 'public' and c.relname = 'canaries')
  and not exists (
    select from pg_depend e where e.classid = 'pg_class'::regclass and e.objid = c.oid and e.deptype = 'e')
order by n.nspname <> 'public', n.nspname, c.relname
