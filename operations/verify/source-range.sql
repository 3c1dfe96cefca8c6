-- Takes: $1 id to start after, $2 most rows. Returns one row about the next rows in the order of ids: the last id
-- (null: there are no more rows), the number of rows, and the sum of their digests. The sum does not depend on the
-- order in which they are read.
with part as (
  select id, hashtextextended(to_jsonb(t)::text, 0) as digest
  from {table} t where id > $1::uuid order by id limit $2::int
)
select
  (select id from part order by id desc limit 1) as last,
  count(*)::int as rows,
  coalesce(sum(digest), 0)::text as digest
from part
