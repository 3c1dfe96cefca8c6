-- The last verification of each entity in each replica, for `lockstep status`.
create table lockstep.verifications (
  entity text not null,
  replica text not null,
  at timestamptz not null,
  seconds real not null,
  rows bigint not null,
  differing jsonb not null, -- how many of each kind; empty when the two were equal
  behind boolean not null, -- the replica had not heard of everything in time: what it lacks may be on its way
  primary key (entity, replica)
);
