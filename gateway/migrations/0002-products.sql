-- Products. Columns are the declaration's fields in snake_case (contracts/entities/product.ts); a test compares them.
create table products (
  id uuid primary key default uuidv7(),
  version bigint not null default 1,
  sku text not null unique check (length(sku) between 1 and 64),
  name text not null check (length(name) between 1 and 200),
  description text not null default '' check (length(description) <= 10000),
  price numeric(12, 2) not null check (price >= 0),
  currency text not null default 'BRL' check (currency ~ '^[A-Z]{3}$'),
  cost numeric(12, 2) not null default 0 check (cost >= 0),
  stock integer not null default 0 check (stock between 0 and 1000000000),
  status text not null default 'draft' check (status in ('draft', 'active', 'archived')),
  tags text[] not null default '{}' check (cardinality(tags) <= 20),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

select lockstep.capture('products', 'product');
