-- One branch of a CASE: the name of the member whose value another row has. Only where nothing else can decide: the
-- columns have a constraint of their own that is checked at once, and no other trigger can change the value.
when exists (select from {table} as other where {same_value}{other_row})
  and exists (
    select from pg_catalog.pg_constraint con
    where conrelid = {relation} and contype in ('u', 'p') and not condeferrable and conkey = array(
      select attnum from unnest({columns}::text[]) with ordinality as named (name, n)
      join pg_catalog.pg_attribute on attrelid = con.conrelid and attname = named.name order by named.n)
  )
  and not exists (
    select from pg_catalog.pg_trigger
    where tgrelid = {relation} and tgtype & {before_row} = {before_row} and tgname <> '~lockstep_stamp'
  )
then {member}
