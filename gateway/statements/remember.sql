, told as materialized (
  select $2::text::jsonb as contexts
), remembered as (
  -- A key that is there already is refused, and with it all of the statement: its write was carried out before.
  insert into lockstep.idempotency_keys (key, fingerprint, doc)
  select idempotency_key ->> 'key', idempotency_key ->> 'fingerprint', changed.doc
  from told, changed, lateral (select told.contexts -> changed.id::text -> 'idempotencyKey') as of_write (idempotency_key)
  where idempotency_key is not null
)
