/** Writes of the product with many tenants. */
import type { Random } from "../../../chaos/random.ts";
import { copyRows, literal, newNumber, type Operation, someKey, someTenant, strangeText } from "./operation.ts";

/** Id of a tenant that an operation creates and another one may delete. */
const passingTenant = (random: Random): string => `md5('passing ' || ${random.int(1, 30)})::uuid`;

export const saasOperations: readonly Operation[] = [
  {
    name: "saas: settings and the owner's version",
    weight: 3,
    statements: (random) => [
      `update app.tenants set settings = settings || '{"n": ${random.int(1, 99)}.10, "big": 9007199254740993}',
         version = version + ${random.int(-3, 3)} where id = ${someTenant(random)}`,
    ],
  },
  {
    name: "saas: a passing tenant comes with everything",
    weight: 2,
    statements: (random) => {
      const id = passingTenant(random);
      return [
        `insert into app.tenants (id, slug, name) values (${id}, 'Passing-' || ${id}, 'Passing') on conflict do nothing`,
        `insert into app.users (tenant_id, id, email) select ${id}, md5(${id}::text || i)::uuid, 'P' || i || '@example.org'
           from generate_series(1, 10) i on conflict do nothing`,
        `insert into app.teams (tenant_id, team) values (${id}, 'a'), (${id}, 'b,%') on conflict do nothing`,
        `insert into app.memberships (tenant_id, team, user_id) select ${id}, 'b,%', md5(${id}::text || i)::uuid
           from generate_series(1, 10) i on conflict do nothing`,
        `insert into app.projects (tenant_id, number, name) values (${id}, 1, 'One') on conflict do nothing`,
        `insert into app.tasks (tenant_id, project, title) select ${id}, 1, 'Task ' || i from generate_series(1, 20) i`,
        `insert into app.comments select tenant_id, id, 1, 'Comment' from app.tasks where tenant_id = ${id}
           on conflict do nothing`,
        `insert into app.contacts (tenant_id, name) values (${id}, 'Contact')`,
      ];
    },
  },
  {
    name: "saas: a passing tenant goes with everything",
    weight: 1,
    statements: (random) => [`delete from app.tenants where id = ${passingTenant(random)}`],
  },
  {
    name: "saas: upsert users",
    weight: 5,
    statements: (random, { user }) => [
      `insert into app.users (tenant_id, email, name, preferences, attributes, tags, home, last_ip)
         values (${someTenant(random)}, ${literal(`USER.${random.int(1, user!)}@example.com`)},
           ${literal(strangeText(random))}, '{"deep": [1, {"a": 1.0}]}', hstore(${literal(strangeText(random))}, null),
           array[${literal(strangeText(random))}], row(${literal(strangeText(random))}, null, '', '{NaN,-0}'), '::1/64')
       on conflict (tenant_id, email) do update set name = excluded.name, tags = excluded.tags, home = excluded.home`,
    ],
  },
  {
    name: "saas: join and leave teams",
    weight: 3,
    statements: (random) => [
      `delete from app.memberships where (tenant_id, team, user_id) in (select tenant_id, team, user_id
         from app.memberships where tenant_id = ${someTenant(random)} limit ${random.int(1, 5)})`,
      `insert into app.memberships (tenant_id, team, user_id) select t.tenant_id, t.team, u.id
         from app.teams t join app.users u using (tenant_id) where t.tenant_id = ${someTenant(random)}
         limit ${random.int(1, 10)} on conflict (tenant_id, team, user_id) do update set role = 'again'`,
    ],
  },
  {
    name: "saas: rename a team, which changes the keys of its memberships",
    weight: 1,
    statements: (random) => [
      `update app.teams set team = team || ${literal(random.pick(["'", ",", "%"]))} where (tenant_id, team) in
         (select tenant_id, team from app.teams where tenant_id = ${someTenant(random)} and member_count < 60 limit 1)`,
    ],
  },
  {
    name: "saas: positions of many tasks",
    weight: 4,
    statements: (random, { task }) => {
      const first = random.int(1, task!);
      return [
        `update app.tasks set position = position / 3, status = 'in progress', estimate = estimate * 1.1
         where tenant_id = ${someTenant(random)} and id between ${first} and ${first + 2_000}`,
      ];
    },
  },
  {
    name: "saas: a task with subtasks loses them, and moves to another tenant",
    weight: 2,
    statements: (random) => {
      const [id, tenant] = [newNumber(random), someTenant(random)];
      return [
        `insert into app.tasks (tenant_id, project, id, title) values (${tenant}, 1, ${id}, 'Parent'), (${tenant}, 1, ${id + 1}, 'Child')`,
        `update app.tasks set parent_id = ${id} where tenant_id = ${tenant} and id = ${id + 1}`,
        `update app.tasks set parent_id = null where tenant_id = ${tenant} and id = ${id + 1}`,
        `update app.tasks set tenant_id = ${someTenant(random)} where tenant_id = ${tenant} and id = ${id}`,
        `insert into app.tasks (tenant_id, project, id, title, parent_id) values (${tenant}, 1, ${id + 2}, 'Child', ${id + 1})`,
        `delete from app.tasks where tenant_id = ${tenant} and id = ${id + 1}`,
      ];
    },
  },
  {
    name: "saas: copy comments",
    weight: 2,
    statements: (random) => {
      const [id, body] = [newNumber(random), strangeText(random, 40)];
      const tenant = "018f0000-0000-7000-8000-000000000000";
      return [
        `insert into app.tenants (id, slug, name) values ('${tenant}', 'copied', 'Copied') on conflict do nothing`,
        `insert into app.projects (tenant_id, number, name) values ('${tenant}', 1, 'One') on conflict do nothing`,
        `insert into app.tasks (tenant_id, project, id, title) values ('${tenant}', 1, ${id}, 'Copied')`,
        {
          copy: "app.comments (tenant_id, task_id, number, body, mentions, created_at)",
          rows: copyRows([1, 2, 3].map((number) => [tenant, id, number, body, "{}", "2026-01-01 10:00+02"])),
        },
        `delete from app.comments where tenant_id = '${tenant}' and task_id = ${id} and number = 2`,
      ];
    },
  },
  {
    name: "saas: files",
    weight: 2,
    statements: (random) => [
      `insert into app.attachments (tenant_id, file_name, content, metadata) values (${someTenant(random)}, 'new',
         decode(repeat('00ff5c27', ${random.int(0, 2_000)}), 'hex'), '{"a":  1, "a": 2.50}')`,
      `update app.attachments set content = content || '\\x00' where id in (select id from app.attachments
         where tenant_id = ${someTenant(random)} limit 3)`,
    ],
  },
  {
    name: "saas: keys under row level security",
    weight: 2,
    statements: (random) => [
      `insert into app.api_keys (tenant_id, name, secret_hash) values (${someTenant(random)},
         'key ' || ${random.int(1, 900)}, sha256('x')) on conflict (tenant_id, name) do update set expires_at = null`,
    ],
  },
  {
    name: "saas: delete contacts, which marks them",
    weight: 2,
    statements: (random, { contact }) => [
      `delete from app.contacts where id in (${random.int(1, contact!)}, ${random.int(1, contact!)})`,
    ],
  },
  {
    name: "saas: flags with a rule",
    weight: 1,
    statements: (random) => [
      `update app.feature_flags set rollout = ${random.int(0, 10_000)} / 100.0, rules = '{"x":   ${random.int(1, 9)}}'
         where flag = 'flag-' || ${random.int(1, 100)}`,
    ],
  },
  {
    name: "saas: one row of settings, deleted and inserted in one transaction",
    weight: 1,
    statements: (random) => [
      "delete from app.site_settings",
      `insert into app.site_settings values (true, ${literal(strangeText(random))}, '{(,3), [${random.int(9, 99)},)}')`,
    ],
  },
  {
    name: "saas: log in bulk",
    weight: 2,
    statements: (random) => [
      {
        copy: "app.audit_log (at, action, detail)",
        rows: copyRows(
          Array.from({ length: random.int(1, 40) }, () => [
            `202${random.int(4, 6)}-0${random.int(1, 9)}-11 10:00:00.${random.int(100_000, 999_999)}+00`,
            random.pick(["login", "logout", "update", "delete"]),
            `{"text": ${JSON.stringify(strangeText(random))}}`,
          ]),
        ),
      },
    ],
  },
  {
    name: "saas: log rows move between partitions",
    weight: 2,
    statements: (random) => [
      `update app.audit_log set action = ${literal(random.pick(["login", "update"]))}, at = at + ${random.int(-30, 30)} * interval '1 day'
         where at between timestamptz '2025-11-15' + ${random.int(0, 1_000)} * interval '1 hour' and
           timestamptz '2025-11-15' + ${random.int(1_000, 1_002)} * interval '1 hour' and detail is not null and id % 50 = 0`,
    ],
  },
  {
    name: "saas: import after TRUNCATE",
    weight: 1,
    statements: (random) => [
      "truncate app.import_rows",
      {
        copy: "app.import_rows (import_id, line, content)",
        rows: copyRows(Array.from({ length: random.int(0, 150) }, (_, line) => [2, line, strangeText(random)])),
      },
      `update app.import_rows set problem = 'empty' where content = ''`,
      ...(random.chance(0.3) ? ["truncate app.import_rows"] : []),
      ...(random.chance(0.2) ? ["rollback"] : []),
    ],
  },
  {
    name: "saas: rows of every type",
    weight: 3,
    statements: (random) => [
      `insert into app.every_type (id, c_text, c_char, c_int8, c_numeric, c_float8, c_timestamptz, c_interval, c_json,
           c_jsonb, c_bytea, c_inet, c_hstore, c_composite, c_tstzrange, c_texts, c_floats, c_money, c_xml, c_tsvector)
         values (${random.int(1, 2_000)}, ${literal(strangeText(random))}, ${literal(strangeText(random, 2))},
           9223372036854775807, ${random.int(-999, 999)}.${"10".repeat(random.int(1, 40))}, 'NaN', 'infinity',
           '-1 year 3 days -00:00:01.000001', '[1,  1.0]', '[1.0, 1e2, ${random.int(1, 9)}]', '\\x5c00', '10.1.2.3/8',
           hstore('a', null), '("a ""b""",1,,"{1}")', '[2026-01-01,infinity)', '[2:3]={a,NULL}', '{-0,1e300}', '-$1.50',
           '<a b="c">é</a>', 'a:1A b:2')
       on conflict (id) do update set c_text = excluded.c_text, c_numeric = excluded.c_numeric, c_float8 = '-0',
         c_texts = '{{a,NULL},{"null",""}}', c_timestamptz = '4713-01-01 00:00:00.000001+00 BC'`,
    ],
  },
  {
    name: "saas: change the key of a plan",
    weight: 1,
    statements: (random) => [
      `update billing.plans set code = case when code like '%+' then left(code, -1) else code || '+' end, price = price + 0.01
         where code like 'plan-${random.int(1, 9)}%' and length(code) <= 7`,
    ],
  },
  {
    name: "saas: subscriptions that must not overlap",
    weight: 2,
    statements: (random) => [
      `insert into billing.subscriptions (tenant_id, plan, period) select ${someTenant(random)}, max(code),
         tstzrange(timestamptz '2031-01-01' + ${random.int(0, 3_000)} * interval '1 day',
           timestamptz '2031-01-10' + ${random.int(3_000, 3_005)} * interval '1 day') from billing.plans
       on conflict do nothing`,
      `delete from billing.subscriptions where tenant_id = ${someTenant(random)} and period && '[2031-06-01, 2031-06-02)'`,
    ],
  },
  {
    name: "saas: an invoice with its lines",
    weight: 4,
    statements: (random) => {
      const [tenant, number] = [someTenant(random), literal(`N-${newNumber(random)}`)];
      return [
        `insert into billing.invoices (tenant_id, number, issued_on) values (${tenant}, ${number}, '2026-02-28')`,
        `insert into billing.invoice_lines select ${tenant}, ${number}, i, ${literal(strangeText(random))}, i * 1.10
           from generate_series(1, ${random.int(1, 6)}) i`,
        `update billing.invoices set total = (select sum(amount) from billing.invoice_lines
           where tenant_id = ${tenant} and number = ${number}) where tenant_id = ${tenant} and number = ${number}`,
        `delete from billing.invoice_lines where tenant_id = ${tenant} and number = ${number} and line = 1`,
      ];
    },
  },
  {
    name: "saas: change the number of an invoice",
    weight: 2,
    statements: (random, { invoice }) => {
      const i = random.int(1, invoice!);
      return [
        `update billing.invoices set number = number || ${literal(random.pick(["a", ",", "%"]))}
           where tenant_id = md5('tenant ' || ${1 + (i % 40)})::uuid and number = 'R-2026/${i}'`,
      ];
    },
  },
  {
    name: "saas: renumber and change lines",
    weight: 3,
    statements: (random, { invoice }) => {
      const i = random.int(1, invoice!);
      return [
        `update billing.invoice_lines set line = line + 100, description = ${literal(strangeText(random))}
           where tenant_id = md5('tenant ' || ${1 + (i % 40)})::uuid and number = 'R-2026/${i}' and line < 30000`,
      ];
    },
  },
  {
    name: "saas: delete an invoice with lines and payments",
    weight: 1,
    statements: (random, { invoice }) => {
      const i = random.int(1, invoice!);
      return [
        `delete from billing.invoices where tenant_id = md5('tenant ' || ${1 + (i % 40)})::uuid and number = 'R-2026/${i}'`,
      ];
    },
  },
  {
    name: "saas: merge payments",
    weight: 2,
    statements: (random, { payments }) => [
      `merge into billing.payments p using (select i from generate_series(${random.int(1, payments!)}, ${payments! + 3}) i
           limit 10) v on p.id = v.i
         when matched and v.i % 7 = 0 then delete
         when matched then update set amount = amount * 1.000000001, currency = 'US'
         when not matched then insert (tenant_id, amount) values (${someTenant(random)}, 'NaN')`,
    ],
  },
  {
    name: "saas: nested savepoints under repeatable read",
    weight: 2,
    statements: (random, { user }) => [
      "set transaction isolation level repeatable read",
      `update app.tenants set name = 'before' where id = ${someTenant(random)}`,
      "savepoint a",
      `update app.users set name = 'inner' where email = ${literal(`User.${random.int(1, user!)}@Example.com`)} and tenant_id = ${someTenant(random)}`,
      "savepoint b",
      `delete from app.projects where tenant_id = ${someTenant(random)} and number = 0`,
      "rollback to savepoint b",
      `update app.tenants set name = 'after' where id = ${someTenant(random)}`,
      "release savepoint a",
    ],
  },
  {
    name: "saas: rows change tables in one statement",
    weight: 1,
    statements: (random) => [
      `with gone as (delete from app.import_rows where import_id = 1 and line < ${random.int(1, 20)} returning *)
         insert into app.audit_log (action, detail) select 'import', to_jsonb(gone) from gone`,
      `insert into app.import_rows values (3, ${newNumber(random)}, 'single')`,
    ],
  },
  {
    name: "saas: serializable",
    weight: 1,
    statements: (random, { task }) => [
      "set transaction isolation level serializable",
      `update app.tasks set title = title || '.' where tenant_id = ${someTenant(random)}
         and id = ${someKey(random, "app.tasks", "id", task!)}`,
      "update app.site_settings set banner = 'serializable'",
    ],
  },
];
