-- Updates the canary row, or inserts it.
-- Parameters: $1 id of the row. One row keeps the changes in order and the table small.
insert into canaries as c (id, beat) values ($1, 1)
on conflict (id) do update set beat = c.beat + 1
