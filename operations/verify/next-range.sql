-- Takes: $1 id to start after, $2 most rows. Returns one row about the next rows in the order of ids: the last id
-- (null: there are no more rows) and the number of rows.
with part as (select id from {table} where id > $1::uuid order by id limit $2::int)
select (select id from part order by id desc limit 1) as last, count(*)::int as rows from part
