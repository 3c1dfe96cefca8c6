-- Takes: $1 id to start after, $2 last id. Returns the digest of each row of the source's table.
select id, hashtextextended(to_jsonb(t)::text, 0)::text as digest from {table} t where id > $1 and id <= $2
