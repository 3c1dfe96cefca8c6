-- What was answered to writes that came with an Idempotency-Key: remembered in the write's own statement, so that a client that never
-- heard the answer can repeat the write, and is told what it did, for as long as LOCKSTEP_IDEMPOTENCY_HOURS.
create table lockstep.idempotency_keys (
  key text primary key, -- a hash of the key, and of whose it is
  fingerprint text not null, -- of what was asked for with it
  doc jsonb not null, -- the row as the write's statement answered it
  at timestamptz not null default clock_timestamp()
);
create index on lockstep.idempotency_keys (at);
