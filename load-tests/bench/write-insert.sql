-- Takes: $1 a product as JSON. Returns: its id and version.
insert into products (sku, name, description, price, currency, cost, stock, status, tags)
select sku, name, description, price, currency, cost, stock, status, tags
from jsonb_populate_record(null::products, ($1::text)::jsonb)
returning id, version
