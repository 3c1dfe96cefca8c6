-- Takes: $1 age in hours, $2 limit. Deletes the oldest keys above that age. Answers no rows; the command tag has the
-- number of keys. The limit keeps the statement short, so that it blocks no write for long.
delete from lockstep.idempotency_keys where key in (
  select key from lockstep.idempotency_keys
  where at < clock_timestamp() - make_interval(hours => $1::int) order by at limit $2::int
)
