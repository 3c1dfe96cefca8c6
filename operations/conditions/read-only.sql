-- Answers whether new sessions of this user are read-only. A session keeps the settings of its database and role from its
-- start, so they are read from the catalog: a pooled session would report them late, and would not see their end.
select pg_is_in_recovery()
  or exists (
    select from pg_db_role_setting s, unnest(s.setconfig) as option
    where s.setdatabase in (0, (select oid from pg_database where datname = current_database()))
      and s.setrole in (0, (select oid from pg_roles where rolname = current_user))
      and option ~* '^default_transaction_read_only=(on|true|yes|1)$'
  )
  or exists (
    select from pg_settings
    where name = 'default_transaction_read_only' and setting = 'on'
      and source not in ('database', 'user', 'database user')
  ) as read_only
