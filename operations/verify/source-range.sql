-- Takes: $1 ids that the replica has recorded without a row, as an array's text; the parameters of {range}. Returns one
-- row: the number of rows and the sum of their digests. The digest of a row is that of the columns that the replica
-- takes, or of the whole row for the ids of $1. The sum does not depend on the order of the rows.
select count(*)::int as rows,
  coalesce(sum(case when absent.id is null then hashint8extended({version}, {hash}) else {whole} end), 0)::text as digest
from {table} left join unnest($1::text::text[]) as absent (id) on absent.id = {id}
where {range}
