-- Tables of: categories, customers, orders.
-- Generated from the declarations. Read it, and edit it as you need: it is fixed once it ran.

create table categories (
  slug text primary key,
  name text not null,
  parent text,
  position integer not null default 0
);

create table customers (
  id uuid primary key default uuidv7(),
  email text not null,
  name text not null,
  phone text,
  birthday date,
  balance numeric(12,2) not null default '0.00',
  preferences jsonb not null default '{}',
  notes text,
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  version bigint not null default 1
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
  number bigint primary key generated always as identity,
  customer_id uuid not null,
  status text not null default 'open' constraint orders_status_check check (status in ('open', 'paid', 'shipped', 'cancelled')),
  placed_at timestamptz not null,
  note text
);

alter table customers add constraint customers_email_unique unique (email);

alter table order_lines add constraint order_lines_order_number_orders_number_fk foreign key (order_number) references orders (number) on delete cascade;

alter table order_lines add constraint order_lines_product_id_products_id_fk foreign key (product_id) references products (id);

alter table orders add constraint orders_customer_id_customers_id_fk foreign key (customer_id) references customers (id);

-- From now on each change of a row is sent to the replicas, whoever makes it.
select lockstep.capture('categories', 'category', '{"key":["slug"]}');

-- From now on each change of a row is sent to the replicas, whoever makes it.
select lockstep.capture('customers', 'customer', '{"key":["id"],"version":"version","createdAt":"created_at","updatedAt":"updated_at"}');

-- From now on each change of a row is sent to the replicas, whoever makes it.
select lockstep.capture('orders', 'order', '{"key":["number"],"children":[{"member":"lines","relation":"order_lines","key":["line"],"parentKey":["order_number"]}]}');
