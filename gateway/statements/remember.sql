, told as materialized (
  select $2::text::jsonb as contexts
), remembered as (
  -- A key that is there already is refused, and with it all of the statement: its write was carried out before.
  insert into lockstep.idempotency_keys (key, fingerprint, doc)
  select once ->> 'key', once ->> 'fingerprint', changed.doc
  from told, changed, lateral (select told.contexts -> changed.id::text -> 'once') as of_write (once)
  where once is not null
)
