-- The full copy. No column is unique but the id: two products may swap a value, and their changes arrive by different ways.
create table products (
  id uuid primary key,
  version bigint not null,
  sku text not null,
  name text not null,
  description text not null,
  price numeric(12, 2) not null,
  currency text not null,
  stock integer not null,
  status text not null,
  tags text[] not null,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null
);
create index products_sku on products (sku);
