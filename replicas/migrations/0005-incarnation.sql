-- Which life of which server this database is in: another one after a failover, after a restore to a point in time, or when it was
-- put into another cluster. Whatever was committed before the change may be missing then. Null where the role may not ask.
create function lockstep.incarnation() returns text
language plpgsql stable as $$
begin
  return (select system_identifier from pg_control_system())
    || '/' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8) -- the timeline
    || '/' || (select oid from pg_database where datname = current_database());
exception
  when insufficient_privilege then return null;
end $$;
