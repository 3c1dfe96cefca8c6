-- Takes: $1 most rows; the parameters of {range}. Returns one row about the next rows in the order of the key: their
-- ids in that order, as a JSON list.
select coalesce(json_agg(id), '[]') as ids
from (select {id} as id from {table} where {range} order by {order} limit $1::int) as part
