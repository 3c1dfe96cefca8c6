-- Products. Columns are the declaration's fields in snake_case (contracts/entities/product.ts); a test compares them.
-- The checks refuse what the declaration refuses where that is cheap; the rest is found by the stream, which puts it aside.
create table products (
  id uuid primary key default uuidv7(),
  version bigint not null default 1,
  sku text not null unique check (length(sku) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  description text not null default '' check (length(description) <= 10000),
  price numeric(12, 2) not null check (price between 0 and 9999999999.99), -- NaN counts as greater than any number
  currency text not null default 'BRL' check (currency ~ '^[A-Z]{3}$'),
  cost numeric(12, 2) not null default 0 check (cost between 0 and 9999999999.99),
  stock integer not null default 0 check (stock between 0 and 1000000000),
  status text not null default 'draft' check (status in ('draft', 'active', 'archived')),
  tags text[] not null default '{}'
    check (cardinality(tags) <= 20 and coalesce(array_ndims(tags), 1) = 1 and array_position(tags, null) is null),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

select lockstep.capture('products', 'product');
