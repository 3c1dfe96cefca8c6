-- Takes: $1 key. Answers: fingerprint of the request that stored the key; doc, the row that its write answered. No row
-- for an unknown key.
select fingerprint, doc from lockstep.idempotency_keys where key = $1
