-- Takes: $1 the names of the entities' tables as a JSON list. Answers one row: read_only, whether this session can
-- write; standby, whether the server is one; missing, what the gateway's role lacks, as text, or null.
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
      from (
        select name, to_regclass(quote_ident(name)) as relation from jsonb_array_elements_text($1::text::jsonb) as name
      ) as tables
    ) as checked
    where relation is null or lacking is not null
  ) as missing
