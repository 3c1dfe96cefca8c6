-- Writes the canary: $1 its id. One row, so that its changes are in order and the table stays small. An idle source gets one commit more.
insert into canaries as c (id, beat) values ($1, 1)
on conflict (id) do update set beat = c.beat + 1
