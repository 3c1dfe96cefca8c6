-- Takes: $1 to $3 as source-range.sql. Returns each digest that it sums up, with its id.
select t.id, (case when absent.id is null then {digest} else {whole} end)::text as digest
from {table} t left join unnest($3::text::uuid[]) as absent (id) on absent.id = t.id
where t.id > $1::uuid and t.id <= $2::uuid
