-- The identity of the topic that a position belongs to. A topic that was created again has another one. Null: unknown.
alter table lockstep.positions add column topic_id text;

-- One row while the log cannot account for rows of this database: no rebuild starts by itself, and the replica serves
-- what it has. `lockstep resync` deletes the row once the database equals the source; so does a rebuild that switches.
create table lockstep.log_incomplete (
  only_row boolean primary key default true check (only_row),
  since timestamptz not null default clock_timestamp(),
  reason text not null
);
