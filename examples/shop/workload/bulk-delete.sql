-- Takes: $1 ids of rows to delete.
delete from products where id = any ($1::uuid[])
