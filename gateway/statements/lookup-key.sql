-- Takes: $1 key. Answers: fingerprint of the request that stored the key; doc, the row that its write answered, as
-- text; version, the one that the write made, where it is no column of the row. No row for an unknown key.
select fingerprint, doc::text as doc, version::float8 as version from lockstep.idempotency_keys where key = $1
