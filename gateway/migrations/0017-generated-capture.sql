-- Functions that are generated for each captured table: static SQL with the names of its columns, so that PostgreSQL
-- keeps their plans. lockstep.capture_functions makes their text, lockstep.capture creates them.
--
-- Versions are in a column of the table (the stamp sets it), or beside the table in lockstep.row_versions. Beside, a
-- trigger after each statement raises the versions of the changed rows and then reads the rows: what a nested statement
-- changed after it is in that state already, so the newest version always has the newest state.
-- A document with children, and a table whose key is deferrable, is settled at the commit: once for each transaction,
-- by a deferred trigger on lockstep.touched. At that time the transaction waits for no rows any more, so that the locks
-- of versions, taken in the order of ids, cause no deadlock. The state is read after the lock, in a statement of its
-- own.
--
-- `{name}` in a template is filled in by lockstep.fill.

-- Versions of rows whose table has no column for them. A row of the table without an entry has version 1: it was there
-- before capture. The entry of a deleted row stays, so that versions continue when the id is inserted again.
create table lockstep.row_versions (
  entity text not null,
  id text collate "C" not null,
  version bigint not null default 1,
  at timestamptz not null default clock_timestamp(),
  primary key (entity, id)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- Entities that transactions in progress have changed and that are settled at their commit. No row outlives its
-- transaction.
create unlogged table lockstep.touched (
  xact xid8 not null default pg_current_xact_id(),
  entity text not null,
  id text collate "C" not null,
  -- Of the first statement that changed the entity's own row: whether it inserted the row. Null: only children changed.
  is_new boolean,
  settles boolean not null, -- one row for each statement has the trigger settle
  primary key (xact, entity, id)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);

alter table lockstep.captured
  add column key text[] not null default '{id}',
  add column version text default 'version',
  add column created_at text default 'created_at',
  add column updated_at text default 'updated_at',
  add column truncate text not null default 'refuse' check (truncate in ('refuse', 'delete')),
  -- What the generated functions were made of and are: capture_problems compares.
  add column columns_hash text,
  add column functions_hash text;
alter table lockstep.captured
  alter column version drop default, alter column created_at drop default, alter column updated_at drop default;

-- Tables whose rows belong to the document of a parent.
create table lockstep.captured_children (
  entity text not null references lockstep.captured on delete cascade,
  member text not null, -- of the parent's document
  relation regclass not null,
  name text not null, -- of the table when it was captured
  key text[] not null, -- identifies a line within its parent
  parent_key text[] not null, -- has the parent's key
  primary key (entity, member)
);

-- The triggers of an entity's table and of its children's, as lockstep.capture created them: what is_captured compares.
create table lockstep.captured_triggers (
  entity text not null references lockstep.captured on delete cascade,
  relation regclass not null,
  name name not null,
  handler regproc not null,
  state "char" not null, -- as pg_trigger.tgenabled
  type int2 not null, -- as pg_trigger.tgtype
  primary key (entity, relation, name)
);

-- Fills a template in. Values are not filled in again. {wake} is what lockstep.wake_relay does, without the call, which
-- would cost as much as the insert of a row.
create function lockstep.fill(template text, filled jsonb) returns text
language plpgsql immutable set search_path = pg_catalog, pg_temp as $$
declare
  part text[];
  result text := '';
begin
  filled := filled || jsonb_build_object('wake',
    'if current_setting(''lockstep.notify'', true) is distinct from ''off'' then
      if not pg_try_advisory_xact_lock_shared(1280262987, 1) then perform pg_notify(''lockstep_outbox'', ''''); end if;
    end if;');
  for part in select regexp_matches(template || '{end}', '(.*?)\{(\w+)\}', 'gs') loop
    if part[2] <> 'end' and filled ->> part[2] is null then
      raise exception 'nothing to fill in for {%}', part[2];
    end if;
    result := result || part[1] || coalesce(filled ->> part[2], '');
  end loop;
  return result;
end $$;

-- The name of a generated function, within the 63 bytes of a name.
create function lockstep.function_name(entity text, part text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select case when octet_length(part || ':' || entity) <= 63 then part || ':' || entity
    else part || ':' || md5(entity) end
$$;

-- Whether the changes of an entity are settled at the commit.
create function lockstep.is_settled(c lockstep.captured) returns boolean
language sql stable set search_path = pg_catalog, pg_temp as $$
  select exists (select from lockstep.captured_children where entity = c.entity)
    or not (select indimmediate from pg_index where indexrelid = lockstep.key_index(c.relation, c.key))
$$;

-- SQL of the ids of the rows that a statement changed: of a table, by these columns of it.
create function lockstep.changed_ids(relation regclass, key text[], event text) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select string_agg(lockstep.fill(
    'select lockstep_key.id from (select {gone}) as lockstep_gone,
      lateral (select {key} as id from {transition} as lockstep_row) as lockstep_key',
    jsonb_build_object('gone', lockstep.gone_columns(relation, key), 'key', lockstep.key_expression(relation, key),
      'transition', transition)), '
      union
      ')
  from unnest(case event when 'updated' then '{former,changed}' else '{changed}' end::text[]) transition
$$;

-- SQL of the children of the entity lockstep_id.id, to be appended to its data; nothing without children.
create function lockstep.children_expression(c lockstep.captured, by_name boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select coalesce(' || jsonb_build_object(' || string_agg(lockstep.fill(
    '{member}, (select coalesce(jsonb_agg(lockstep_line.data order by {order}), ''[]'')
      from (select {gone}) as lockstep_gone,
        lateral (select {data} as data, {keys} from {table} as lockstep_row where {condition}) as lockstep_line)',
    jsonb_build_object(
      'member', quote_literal(child.member),
      'order', (select string_agg(format('lockstep_line.k%s%s', n, case when a.attcollation <> 0 then ' collate "C"'
        else '' end), ', ' order by n)
        from unnest(child.key) with ordinality k (name, n) left join pg_attribute a on a.attrelid = child.relation
          and a.attname = k.name),
      'keys', (select string_agg(format('%I as k%s', name, n), ', ' order by n)
        from unnest(child.key) with ordinality k (name, n)),
      'gone', lockstep.gone_columns(child.relation, child.key || child.parent_key),
      'data', lockstep.data_expression(child.relation),
      'table', case when by_name then child.name else child.relation::text end,
      'condition', lockstep.key_condition(child.relation, child.parent_key, 'lockstep_id.id')
    )), ', ' order by child.member) || ')', '')
  from lockstep.captured_children child where child.entity = c.entity
$$;

-- SQL of the present data of the entity lockstep_id.id: a subquery, null when there is no row. Not a join: a plan that
-- was made for few rows must find many by the key's index too. by_name: with the tables' names at their capture.
create function lockstep.state_expression(c lockstep.captured, by_name boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select lockstep.fill(
    '(select lockstep_state.data from (select {gone}) as lockstep_gone,
      lateral (select {data}{children} as data from {table} as lockstep_row
        where {condition}) as lockstep_state limit 1)',
    jsonb_build_object(
      'gone', lockstep.gone_columns(c.relation, c.key), 'data', lockstep.data_expression(c.relation),
      'children', lockstep.children_expression(c, by_name),
      'table', case when by_name then c.name else c.relation::text end,
      'condition', lockstep.key_condition(c.relation, c.key, 'lockstep_id.id')))
$$;

-- SQL of the version in the row of the entity lockstep_id.id; null without a version column.
create function lockstep.version_expression(c lockstep.captured, by_name boolean) returns text
language sql stable set search_path = pg_catalog, pg_temp as $$
  select format('(select %I from %s as lockstep_row where %s limit 1)', c.version,
    case when by_name then c.name else c.relation::text end, lockstep.key_condition(c.relation, c.key,
      'lockstep_id.id'))
  where c.version is not null
$$;

-- The values of an outbox row that come from the writer: what lockstep.contexts says of the id (the gateway writes for
-- many callers at once), else what the transaction says.
create function lockstep.context_values(id text) returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select replace('coalesce(lockstep_contexts -> {id} ->> ''traceparent'', lockstep_traceparent),
    coalesce(lockstep_contexts -> {id} ->> ''actor'', lockstep_actor)', '{id}', id)
$$;

-- The first lines of each body: what the writer has set. Names of columns come before those of variables.
create function lockstep.body_head(declarations text default '') returns text
language sql immutable set search_path = pg_catalog, pg_temp as $$
  select '#variable_conflict use_column
declare
  lockstep_contexts jsonb := nullif(current_setting(''lockstep.contexts'', true), '''');
  lockstep_traceparent text := nullif(current_setting(''lockstep.traceparent'', true), '''');
  lockstep_actor text := nullif(current_setting(''lockstep.actor'', true), '''');
' || declarations || 'begin
'
$$;
