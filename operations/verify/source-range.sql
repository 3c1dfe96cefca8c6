-- Takes: $1 id to start after, $2 last id, $3 ids that the replica has recorded without a row, as an array's text.
-- Returns one row: the number of rows and the sum of their digests. The digest of a row is that of the columns that the
-- replica takes, or of the whole row for the ids of $3. The sum does not depend on the order of the rows.
select count(*)::int as rows, coalesce(sum(case when absent.id is null then {digest} else {whole} end), 0)::text as digest
from {table} t left join unnest($3::text::uuid[]) as absent (id) on absent.id = t.id
where t.id > $1::uuid and t.id <= $2::uuid
