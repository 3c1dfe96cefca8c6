-- The canary: one row, which the leading relay writes every few seconds (contracts/entities/canary.ts).
create table canaries (
  id uuid primary key,
  version bigint not null default 1,
  beat bigint not null,
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

select lockstep.capture('canaries', 'canary');
