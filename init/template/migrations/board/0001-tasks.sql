-- The replica's copy: the columns that it gets. Add indexes, columns and tables of your own as your reads need them.
create table tasks (
  id uuid primary key,
  version bigint not null,
  title text not null,
  status text not null,
  created_at timestamptz(3) not null,
  updated_at timestamptz(3) not null
);
