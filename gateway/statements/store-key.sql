, requests as materialized (
  select $2::text::jsonb as contexts
), stored_keys as (
  -- A key that exists already violates the primary key. The whole statement then fails, because an earlier request made
  -- this write.
  insert into lockstep.idempotency_keys (key, fingerprint, doc, version)
  select idempotency_key ->> 'key', idempotency_key ->> 'fingerprint', {answered}.doc, {stored_version}
  from requests, {answered},
    lateral (select requests.contexts -> {answered}.id::text -> 'idempotencyKey') as of_write (idempotency_key)
  where idempotency_key is not null
)
