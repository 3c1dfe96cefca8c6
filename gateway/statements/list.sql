-- Takes: $1 id after which the list starts, or null; $2 limit. Answers in the order of ids: doc, a row as JSON.
-- The first two conditions use the index from $1 on. `$1 is null or id > $1` would read the index from its start.
-- A version without an exact JSON number cannot be shown: its row is left out, like at the replicas.
select to_jsonb(t) as doc
from {table} t
where id >= coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') and id is distinct from $1::uuid
  and version <= 9007199254740991
order by id
limit $2::int
