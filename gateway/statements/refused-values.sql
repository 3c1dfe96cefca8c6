-- Takes: $1 the quoted name of a table; $2 a JSON object with values of its columns. Answers the names of the columns
-- whose type does not accept the value's text. Lists and objects are not checked.
select a.attname as name
from jsonb_each($2::text::jsonb) as given (name, value)
join pg_catalog.pg_attribute a on a.attrelid = to_regclass($1::text) and a.attname = given.name and not a.attisdropped
where jsonb_typeof(given.value) in ('string', 'number', 'boolean')
  and not pg_input_is_valid(given.value #>> '{}', format_type(a.atttypid, a.atttypmod))
