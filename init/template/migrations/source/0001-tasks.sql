-- Tables of: tasks.
-- Generated from the declarations. Read it, and edit it as you need: it is fixed once it ran.

create table tasks (
  id uuid primary key default uuidv7(),
  title text not null,
  status text not null default 'open' constraint tasks_status_check check (status in ('open', 'done')),
  notes text not null default '',
  created_at timestamptz(3) not null default now(),
  updated_at timestamptz(3) not null default now(),
  version bigint not null default 1
);

-- From now on each change of a row is sent to the replicas, whoever makes it.
select lockstep.capture('tasks', 'task', '{"key":["id"],"version":"version","createdAt":"created_at","updatedAt":"updated_at"}');
