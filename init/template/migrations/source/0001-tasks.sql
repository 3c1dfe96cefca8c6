-- The table of the entity "task" in the gateway's database.
create table tasks (
  id uuid primary key default uuidv7(),
  version bigint not null default 1,
  title text not null check (length(title) between 1 and 200),
  status text not null default 'open' check (status in ('open', 'done')),
  notes text not null default '' check (length(notes) <= 10000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now()
);

-- From now on each change of a row is sent to the replicas, whoever makes it.
select lockstep.capture('tasks', 'task');
