-- Takes: $1 key. Answers what was remembered with it: fingerprint, and doc, the row as JSON; no row when nothing was.
select fingerprint, doc from lockstep.idempotency_keys where key = $1
