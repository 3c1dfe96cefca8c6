-- Takes: $1 limit; {after} the id after which the list starts. Answers in the order of the key's columns: as read.sql.
-- A row whose version has no exact JSON number is left out, like at the replicas.
select ({document}){as_text} as doc{version}
from {table} as lockstep_row
where {condition}
order by {order}
limit $1::int
