-- Tables of: customers, orders.
-- Generated from the declarations. Read it, and edit it as you need: it is fixed once it ran.

create table customers (
  id uuid primary key,
  email text not null,
  name text not null,
  phone text,
  balance numeric(12,2) not null,
  preferences jsonb not null,
  birth_year integer,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  version bigint not null
);

create table order_lines (
  order_number bigint not null,
  line integer not null,
  product_id uuid not null,
  quantity integer not null,
  unit_price numeric(12,2) not null,
  primary key (order_number, line)
);

create table orders (
  number bigint primary key,
  customer_id uuid not null,
  status text not null,
  placed_at timestamptz not null,
  total numeric(14,2) not null
);
