-- Changes that the relay cannot send: their newest state by entity, with the reason. A newer state that is sent removes
-- the row, and so do `lockstep dead-letters replay` (when the resend succeeds) and `drop`.
create table lockstep.set_aside (
  entity text not null,
  id uuid not null,
  seq bigint not null unique, -- of the outbox row
  version bigint not null,
  operation text not null,
  data jsonb, -- the row after the change; null for a delete
  digest bigint,
  resend boolean not null,
  traceparent text,
  actor text,
  at timestamptz not null, -- when the change was captured
  reason text not null,
  detail text not null,
  set_aside_at timestamptz not null default clock_timestamp(),
  primary key (entity, id)
);

-- The relay limits the bytes that it reads at once by pg_column_size, which is the size of a compressed value. A value
-- that is not compressed costs more disk for the milliseconds of its life, and less time to write and read.
alter table lockstep.outbox alter column data set storage external;
