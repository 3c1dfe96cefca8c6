-- Tables of: tasks.
-- Generated from the declarations. Read it, and edit it as you need: it is fixed once it ran.

create table tasks (
  id uuid primary key,
  title text not null,
  status text not null,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null,
  version bigint not null
);
