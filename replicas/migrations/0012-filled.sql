-- The entities of which this database has been sent all rows once. From then on it needs no `lockstep fill`: a row that
-- it lacks is in flight, set aside, or a dead letter.
create table lockstep.filled (
  entity text primary key,
  at timestamptz not null default clock_timestamp()
);
