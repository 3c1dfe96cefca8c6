-- Takes: $1 a product as JSON, $2 the id of the row that it replaces. Returns: id and version; no row when there is
-- none.
update products
set (sku, name, description, price, currency, cost, stock, status, tags) = (
  select sku, name, description, price, currency, cost, stock, status, tags
  from jsonb_populate_record(null::products, ($1::text)::jsonb)
)
where id = $2::uuid
returning id, version
