-- Takes: $1 the id of a row to delete. Returns: id and version; no row when there is none.
delete from products where id = $1::uuid returning id, version
