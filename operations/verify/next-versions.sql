-- Takes: $1 entity, $2 id to start after, $3 most versions. Returns one row about the next versions in the order of ids:
-- last: the last id (null: there are no more); recorded: their number.
-- lost: ids whose version says that there is a row, and there is none. absent: ids of entities that the filter rejected.
-- Both are JSON lists.
with requested as (
  select id, deleted, digest from {versions} where entity = $1::text and id > $2::text order by id limit $3::int
)
select max(id) as last, count(*)::int as recorded,
  coalesce(json_agg(id) filter (where not deleted and not exists (select from {table} where {requested})), '[]') as lost,
  coalesce(json_agg(id) filter (where deleted and digest is not null), '[]') as absent
from requested
