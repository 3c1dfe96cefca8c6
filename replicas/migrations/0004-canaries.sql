-- The canary as it arrived here (contracts/entities/canary.ts).
create table canaries (
  id uuid primary key,
  version bigint not null,
  beat bigint not null,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null
);
