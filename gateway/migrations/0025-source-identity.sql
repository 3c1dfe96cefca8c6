-- Which source this database is: one row. It stays the same through dump, restore, upgrade and failover. The topics
-- belong to the source that has claimed them. A copy that is to be a source of its own needs another id.
create table lockstep.source_identity (id uuid primary key default gen_random_uuid());
create unique index on lockstep.source_identity ((true));
insert into lockstep.source_identity default values;
