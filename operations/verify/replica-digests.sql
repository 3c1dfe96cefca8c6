-- Takes: $1 entity, $2 id to start after, $3 last id. Returns the digest that the replica has recorded for each id.
select id, digest::text from {versions} where entity = $1 and id > $2 and id <= $3 and digest is not null
