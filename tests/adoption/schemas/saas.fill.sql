-- Rows for saas.sql. Numbers of rows stand between two at signs. The id of tenant i is md5('tenant ' || i).
create temp view tenant as select i, md5('tenant ' || i)::uuid as id from generate_series(1, @tenants@) i;
create function pg_temp.tenant(i bigint) returns uuid language sql immutable as
  $$ select md5('tenant ' || 1 + i % @tenants@)::uuid $$;
create function pg_temp.person(i bigint) returns uuid language sql immutable as $$ select md5('user ' || i)::uuid $$;

insert into app.tenants (id, slug, name, plan, settings, version, created_at)
  select id, 'Tenant-' || i, 'Tenant ' || i, (enum_range(null::app.plan))[1 + i % 3],
    jsonb_build_object('seats', i, 'rate', 0.1, 'list', array[1.10, 2]), i, date '2015-05-05' + i from tenant;
insert into app.users (tenant_id, id, email, name, last_ip, preferences, attributes, tags, home, created_at)
  select pg_temp.tenant(i), pg_temp.person(i), 'User.' || i || '@Example.com', case when i % 8 > 0 then 'Üser ' || i end,
    inet '192.168.0.0' + i, case when i % 3 > 0 then jsonb_build_object('n', i, 'big', 12345678901234567890) end,
    hstore('key', i::text), array['tag ' || i % 10], row('Street "A"', i, null, array[1.5, 'NaN']::float8[])::app.postal_address, '2019-01-01'
  from generate_series(1, @users@) i;
insert into app.teams (tenant_id, team, path)
  select pg_temp.tenant(i), 'Team, ' || i, ('root.t' || i)::ltree from generate_series(1, @teams@) i;
alter table app.memberships disable trigger user;
insert into app.memberships (tenant_id, team, user_id)
  select pg_temp.tenant(i), 'Team, ' || coalesce(nullif(i % @tenants@, 0), @tenants@), pg_temp.person(i)
  from generate_series(1, @users@) i;
alter table app.memberships enable trigger user;
update app.teams t set member_count = m.n
  from (select tenant_id, team, count(*) as n from app.memberships group by 1, 2) m
  where (m.tenant_id, m.team) = (t.tenant_id, t.team);
insert into app.projects (tenant_id, number, name, version, budget, progress, period, created_at)
  select pg_temp.tenant(i), i / @tenants@, 'Project ' || i, 'v' || i % 9 || '.0', i * 1000.01, i % 101,
    daterange('2026-01-01', case when i % 2 = 0 then '2026-12-31'::date end), timestamp '1999-12-31 23:59:59.999999'
  from generate_series(0, @projects@ - 1) i;
insert into app.tasks (tenant_id, project, title, status, estimate, position, labels)
  select pg_temp.tenant(i), i % (@projects@ / @tenants@), 'Task ' || i, (enum_range(null::app.task_status))[1 + i % 3],
    i % 40 * interval '1 hour 30 minutes', i / 3.0, array['l' || i % 4] from generate_series(1, @tasks@) i;
insert into app.comments
  select t.tenant_id, t.id, n, 'Comment ' || n || ' of task ' || t.id,
    case when n = 1 then array[pg_temp.person(t.id)] end, '2026-01-01 10:00:00+00'
  from app.tasks t, generate_series(1, 1 + @comments@ / @tasks@) n limit @comments@;
insert into app.attachments (tenant_id, file_name, content, metadata)
  select pg_temp.tenant(i), 'file ' || i || '.bin', case when i % 5 > 0 then sha512(i::text::bytea) end,
    ('{"b": 1,  "a": ' || i || ', "a": 1.10}')::json from generate_series(1, @attachments@) i;
insert into app.api_keys
  select pg_temp.tenant(i), 'key ' || i, sha256(i::text::bytea), array['read', 'write'],
    case i % 3 when 0 then 'infinity' when 1 then '-infinity' else timestamptz '2030-01-01' end
  from generate_series(1, @api_keys@) i;
insert into app.contacts (tenant_id, name, phones)
  select pg_temp.tenant(i), 'Contact ' || i, array['+55 ' || i, null] from generate_series(1, @contacts@) i;
insert into app.feature_flags select 'flag-' || i, i % 2 = 0, i % 101, '[1,  2]' from generate_series(1, @flags@) i;
insert into app.site_settings values (true, 'Welcome', '{[1,5), [7,)}');
insert into app.audit_log (at, action, tenant_id, detail)
  select timestamptz '2025-11-15' + i * interval '5 minutes', (array['login', 'logout', 'update', 'delete'])[1 + i % 4],
    pg_temp.tenant(i), jsonb_build_object('i', i) from generate_series(1, @audit@) i;
insert into app.import_rows select 1, i, 'line ' || i, null from generate_series(1, @imports@) i;
insert into app.every_type (id, c_text, c_int8, c_numeric, c_float8, c_timestamptz, c_jsonb, c_texts)
  select i, 'row ' || i, 9007199254740993 + i, i / 7.0, i / 7.0, timestamptz '2026-01-01' + i * interval '1 microsecond',
    to_jsonb(i / 7.0), array[null, 'a'] from generate_series(1, @every_type@) i;
insert into billing.plans select 'plan-' || i, i * 9.99, array['a'] from generate_series(1, 10) i;
insert into billing.subscriptions (tenant_id, plan, period)
  select pg_temp.tenant(i), 'plan-' || 1 + i % 10,
    tstzrange(timestamptz '2020-01-01' + i / @tenants@ * interval '30 days',
      timestamptz '2020-01-31' + i / @tenants@ * interval '30 days')
  from generate_series(0, @subscriptions@ - 1) i;
insert into billing.invoices (tenant_id, number, issued_on, total)
  select pg_temp.tenant(i), 'R-2026/' || i, date '2026-01-01' + i % 365, i / 3.0 from generate_series(1, @invoices@) i;
insert into billing.invoice_lines
  select pg_temp.tenant(i), 'R-2026/' || i, n, 'Line ' || n, i / 9.0, case when i % 2 = 0 then 'ext-' || i || '-' || n end
  from generate_series(1, @invoices@) i, generate_series(1, 3) n;
insert into billing.payments (tenant_id, invoice, amount, received_at)
  select pg_temp.tenant(i), 'R-2026/' || i, i / 3.0, timestamptz '2026-02-01' + i * interval '1 second'
  from generate_series(1, @invoices@) i, generate_series(1, 2) n;
refresh materialized view billing.revenue;
drop view tenant;
