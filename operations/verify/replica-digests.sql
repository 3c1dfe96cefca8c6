-- Takes: $1 entity, $2 id to start after, $3 last id. Returns each digest that replica-range.sql sums up, with its id.
select t.id::text as id, {digest}::text as digest from {table} t where t.id > $2::uuid and t.id <= $3::uuid
union all
select id, digest::text from {versions}
where entity = $1::text and id > $2::uuid::text and id <= $3::uuid::text and deleted and digest is not null
