-- Takes the parameters of source-range.sql. Returns each digest that it sums up, with its id.
select {id} as id, (case when absent.id is null then hashint8extended({version}, {hash}) else {whole} end)::text as digest
from {table} left join unnest($1::text::text[]) as absent (id) on absent.id = {id}
where {range}
