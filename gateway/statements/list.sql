-- Takes: $1 id to start after, or null, $2 most rows. Answers in the order of ids: doc, a row as JSON.
-- Two conditions, where `$1 is null or id > $1` would read the index from its start.
select to_jsonb(t) as doc
from {table} t
where id >= coalesce($1::uuid, '00000000-0000-0000-0000-000000000000') and id is distinct from $1::uuid
order by id
limit $2::int
