-- Takes: $1 tables as a JSON list of their names in SQL. Returns a row for each: its place in the list, and its columns
-- as JSON, by name a list of the type and, for a domain, the type that it restricts. Null: the table does not exist.
select (place - 1)::int as place, (
    select json_object_agg(a.attname, json_build_array(
      format_type(a.atttypid, null), case when t.typtype = 'd' then format_type(t.typbasetype, null) end))
    from pg_attribute a join pg_type t on t.oid = a.atttypid
    where a.attrelid = to_regclass(name) and a.attnum > 0 and not a.attisdropped
  ) as columns
from json_array_elements_text($1::text::json) with ordinality as given (name, place)
