-- One branch of a CASE: the name of the member whose value another row has. Only where nothing else can decide: the
-- member has a unique constraint of its own that is checked at once, and no other trigger can change the value.
when exists (select from {table} as other where other.{column} = {value} and other.id <> given.id)
  and exists (
    select from pg_catalog.pg_constraint
    where conrelid = '{table}'::regclass and conname = '{constraint}' and contype = 'u' and not condeferrable
  )
  and not exists (
    select from pg_catalog.pg_trigger
    where tgrelid = '{table}'::regclass and tgtype & {before_row} = {before_row}
      and tgname <> '~lockstep_stamp'
  )
then '{member}'
