-- Takes: $1 a JSON list of {entity, table, name}: the tables that the gateway writes, quoted and for people; entity is
-- null for a table of children. Answers one row:
-- read_only, whether this session can write; standby, whether the server is one; missing, what the gateway's role
-- lacks, as text, or null; uncaptured, a JSON list of the entities whose changes are not captured, or null.
-- The place in braces is null until the schema is up to date, see source.ts.
with tables as materialized (
  select entity, name, to_regclass("table") as relation
  from jsonb_to_recordset($1::text::jsonb) as given (entity text, "table" text, name text)
)
select
  current_setting('transaction_read_only') = 'on' as read_only,
  pg_is_in_recovery() as standby,
  (
    select string_agg(
      case
        when relation is null then format('the table %s does not exist', name)
        else format('the role %s lacks %s on the table %s', current_user, lacking, name)
      end, '; ' order by name)
    from (
      select name, relation, (
        select string_agg(privilege, ', ') from unnest('{SELECT,INSERT,UPDATE,DELETE}'::text[]) as privilege
        where not has_table_privilege(relation, privilege)
      ) as lacking
      from tables
    ) as checked
    where relation is null or lacking is not null
  ) as missing,
  {uncaptured} as uncaptured
