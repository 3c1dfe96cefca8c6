-- What the switch of a rebuild does about a table that stays, because its owner has columns, triggers, views or foreign
-- keys there.

-- Writes the rows of the new table that the live one lacks, or has with other values. The bytes of all values are
-- compared, since equal values of numeric, citext or float8 may have different texts. A row that is equal is not even
-- locked.
create function lockstep.merge_rows(live regclass, next regclass, key text[], columns text[]) returns void
language plpgsql as $$
declare
  texts record;
begin
  select * into texts from lockstep.relation_texts(live, key, columns);
  execute format(
    'insert into %1$s as t (%2$s)%3$s select %4$s from %5$s as n where not exists ('
    'select from %1$s as t where %6$s and record_image_eq(row(%7$s), row(%4$s))) on conflict (%8$s) do update set %9$s',
    live, texts.columns_list, texts.overriding, format(texts.stored, 'n'), next, lockstep.same_key(key), format(texts.stored, 't'),
    texts.key_list, texts.updates);
end $$;

-- Deletes the rows of the live table that the new one lacks.
create function lockstep.delete_missing(live regclass, next regclass, key text[]) returns void
language plpgsql as $$
begin
  execute format('delete from %s as t where not exists (select from %s as n where %s)', live, next, lockstep.same_key(key));
end $$;

-- The condition that two rows, with the aliases t and n, have the same key.
create function lockstep.same_key(key text[]) returns text language sql immutable as $$
  select string_agg(format('t.%1$I = n.%1$I', name), ' and ') from unnest(key) as k (name)
$$;
