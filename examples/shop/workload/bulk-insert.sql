-- Takes: $1 ids of new rows. Rows of about 300 bytes; three in five match the filter of every replica.
insert into products (id, sku, name, description, price, currency, cost, stock, status, tags)
select
  id, 'bulk-' || id, 'Café especial em grãos, torra média', rtrim(repeat('Notas de chocolate e castanhas. ', 3)),
  n % 1000 + 0.90, 'BRL', n % 400, n % 1000,
  (array['active', 'active', 'active', 'draft', 'archived'])[n % 5 + 1], '{coffee,beans}'
from unnest($1::uuid[]) with ordinality as new_row (id, n)
