-- Tables of: categories.
-- Generated from the declarations. Read it, and edit it as you need: it is fixed once it ran.

create table categories (
  slug text primary key,
  name text not null,
  parent text,
  position integer not null
);
