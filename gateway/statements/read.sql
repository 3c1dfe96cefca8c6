-- Takes: $1 id. Answers: doc, the row as JSON; no row for an unknown id.
select to_jsonb(t) as doc from {table} t where id = $1::uuid
