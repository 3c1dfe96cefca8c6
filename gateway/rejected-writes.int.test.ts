/** Whatever the database answers about a write belongs to that write: its client gets the reason, strangers get nothing. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { OpenApiChecker } from "../tests/harness/api-descriptions.ts";
import { requestWith } from "../tests/harness/client.ts";
import { eventually } from "../tests/harness/eventually.ts";
import { outbox, type TestGateway, testGateway } from "../tests/harness/gateway.ts";
import { project } from "../tests/project/index.ts";
import { gatewayOpenApi } from "./openapi/document.ts";

const request = requestWith(new OpenApiChecker(gatewayOpenApi(project)).checked(fetch));
let gateway: TestGateway;
beforeAll(async () => {
  gateway = await testGateway();
}, 60_000);
afterAll(() => gateway?.[Symbol.asyncDispose]());
beforeEach(async () => {
  await gateway.sql.unsafe(
    `drop trigger if exists user_rule on products; drop trigger if exists "~z_user_rule" on products`,
  );
});

const urlOf = (path = "") => `${gateway.url}/products${path}`;
const cup = (given: Record<string, unknown> = {}) => ({
  sku: Bun.randomUUIDv7(),
  name: "Cup",
  price: "19.90",
  ...given,
});
const post = (given: Record<string, unknown> = {}) => request("POST", urlOf(), cup(given));
const create = async (given: Record<string, unknown> = {}) => String((await post(given)).body.id);

/** Installs a trigger of the user's own. @param body statements of PL/pgSQL. */
const rule = (body: string, event = "before insert or update", name = "user_rule") =>
  gateway.sql.unsafe(`
    create or replace function user_rule() returns trigger language plpgsql as $$ begin ${body} end $$;
    create trigger "${name}" ${event} on products for each row execute function user_rule()`);

const untilTriggerSleeps = () =>
  eventually(
    async () =>
      (
        await gateway.sql`
          select from pg_stat_activity where datname = current_database() and wait_event = 'PgSleep'`
      ).length > 0,
    { timeoutMs: 20_000, what: "the trigger to sleep", everyMs: 5 },
  );

/** SQLSTATEs of every sort: the user's own, PostgreSQL's for data, and those that mean trouble of the server. */
const SQLSTATES = `P0001 P0002 P0004 ZZ123 LS999 01234 45000 02000 08006 0A000 21000 22012 22P02 23502 23503 23505 23514
  25006 28000 2F003 38000 39000 40001 40P01 42501 42P01 44000 53100 53200 54000 55000 55P03 57014 57P01 58030 72000 F0000
  HV000 XX000 XX001`.split(/\s+/);

describe("a rule of the database that raises", () => {
  test("any SQLSTATE for 2 % of 600 concurrent creates fails those only, with the rule's message", async () => {
    await rule(`if new.name like 'bad %' then
      raise exception 'cups named % are not for sale', new.name using errcode = new.description, hint = 'Choose another name.';
    end if; return new;`);
    for (let first = 0; first < SQLSTATES.length; first += 10) {
      const states = SQLSTATES.slice(first, first + 10);
      const bodies = Array.from({ length: 600 }, (_, i) => {
        const description = i % 50 === 7 ? states[Math.floor(i / 50) % states.length] : undefined;
        return cup(description ? { name: `bad ${i}`, description } : {});
      });
      const responses = await Promise.all(bodies.map((body) => request("POST", urlOf(), body)));
      for (const [i, { status, body }] of responses.entries()) {
        const { name, description } = bodies[i]! as { name: string; description?: string };
        if (!description) expect([status, body.name]).toEqual([201, "Cup"]);
        else {
          const expected = description === "23505" ? 409 : 422;
          const detail = `cups named ${name} are not for sale (Choose another name.)`;
          expect({ description, status, detail: body.detail }).toEqual({ description, status: expected, detail });
        }
      }
    }
  }, 120_000);

  test("has a problem with a stable code, for create, change and delete, and the gateway stays ready", async () => {
    const id = await create();
    await rule("raise exception 'the shop is closed'; return null;", "before insert or update or delete");
    for (const response of [
      await post(),
      await request("PATCH", urlOf(`/${id}`), { stock: 1 }),
      await request("DELETE", urlOf(`/${id}`)),
    ])
      expect(response).toMatchObject({
        status: 422,
        body: { code: "REJECTED", type: "/problems/rejected", detail: "the shop is closed" },
      });
    expect((await fetch(`${gateway.url}/health/ready`)).status).toBe(200);
  });

  test("names the member when the rule names its column, and its text is bounded", async () => {
    await rule("raise exception '%', repeat('x', 5000) using column = 'stock'; return null;");
    const { body } = await post();
    expect(body.errors).toEqual([{ pointer: "/stock", detail: "the database does not accept this value" }]);
    expect(String(body.detail).length).toBe(1_000);
  });
});

describe("an error that no rule raised", () => {
  test("of PostgreSQL itself is a 500 of its own client, without the database's text", async () => {
    await rule(`if new.name = 'Bad' then
      execute 'select secret from no_such_table';
    elsif new.name = 'Huge' then
      perform (select sku from (values (1), (2)) as v (n) cross join (select new.sku) s);
    end if; return new;`);
    const responses = await Promise.all(
      Array.from({ length: 100 }, (_, i) => post(i % 50 === 7 ? { name: i < 50 ? "Bad" : "Huge" } : {})),
    );
    for (const [i, { status, body }] of responses.entries())
      expect([status, body.code]).toEqual(i % 50 === 7 ? [500, "INTERNAL"] : [201, undefined]);
    expect(JSON.stringify(responses)).not.toContain("no_such_table");
  });

  test("about a value that is too large for an index is 422", async () => {
    await gateway.sql`create index too_small on products (description)`;
    const random = Array.from({ length: 300 }, () => Bun.randomUUIDv7())
      .join("")
      .slice(0, 9_000);
    const responses = await Promise.all(
      Array.from({ length: 20 }, (_, i) => post({ description: i === 7 ? random : "short" })),
    );
    await gateway.sql`drop index too_small`;
    expect(responses.map(({ status }) => status)).toEqual(responses.map((_, i) => (i === 7 ? 422 : 201)));
    expect(responses[7]!.body.code).toBe("INVALID");
  });

  test("of a deferred constraint, at the commit, belongs to its write", async () => {
    await gateway.sql.unsafe(`
      create table makers (name text primary key);
      insert into makers values ('Cup');
      alter table products add constraint made foreign key (name) references makers deferrable initially deferred not valid`);
    const responses = await Promise.all(Array.from({ length: 40 }, (_, i) => post(i === 7 ? { name: "Unknown" } : {})));
    await gateway.sql`alter table products drop constraint made`;
    expect(responses.map(({ status }) => status)).toEqual(responses.map((_, i) => (i === 7 ? 422 : 201)));
  });
});

test("a write whose trigger takes seconds does not delay the following writes of others", async () => {
  await rule("if new.name = 'Slow' then perform pg_sleep(3); end if; return new;");
  let isSlowDone = false;
  const slow = post({ name: "Slow" }).finally(() => {
    isSlowDone = true;
  });
  await untilTriggerSleeps();
  for (const { status } of await Promise.all(Array.from({ length: 20 }, () => post()))) expect(status).toBe(201);
  expect(isSlowDone).toBe(false);
  expect((await slow).status).toBe(201);
});

test("P6: writes that share a statement with one that waits for a row lock are made without it", async () => {
  const [locked, slow, ...free] = await Promise.all(Array.from({ length: 10 }, () => create()));
  const holder = await gateway.sql.reserve();
  await holder`begin`;
  await holder`select from products where id = ${locked!} for update`;
  const change = (id: string) => request("PATCH", urlOf(`/${id}`), { stock: 1 });
  // Changes that arrive during a statement share the next one.
  await rule("if new.name = 'Slow' then perform pg_sleep(0.3); end if; return new;", "before update");
  const first = request("PATCH", urlOf(`/${slow}`), { name: "Slow" });
  await untilTriggerSleeps();
  const waiting = change(locked!);
  let others: number[] = [];
  void Promise.all(free.map(change)).then((responses) => {
    others = responses.map(({ status }) => status);
  });
  // Less than the limit of a statement, after which the others would run without the one that waits.
  await eventually(() => others.length > 0, { timeoutMs: 5_000, what: "the writes of the other rows to return" });
  expect(others).toEqual(free.map(() => 200));
  await holder`commit`;
  holder.release();
  expect([(await waiting).status, (await first).status]).toEqual([200, 200]);
});

describe("a trigger that skips a row", () => {
  test("is 409 SKIPPED for its client only, without a sync token, and nothing is captured", async () => {
    const [changed, deleted] = [await create({ name: "Skip" }), await create({ name: "Skip" })];
    await rule(
      "if (coalesce(new, old)).name = 'Skip' then return null; end if; return coalesce(new, old);",
      "before insert or update or delete",
    );
    const [creates, patch, put, remove] = await Promise.all([
      Promise.all(Array.from({ length: 30 }, (_, i) => post(i === 7 ? { name: "Skip" } : {}))),
      request("PATCH", urlOf(`/${changed}`), { stock: 1 }),
      request("PATCH", urlOf(`/${changed}`), { stock: 2 }, { "if-match": '"1"' }),
      request("DELETE", urlOf(`/${deleted}`)),
    ]);
    for (const [i, { status }] of creates.entries()) if (i !== 7) expect(status).toBe(201);
    for (const response of [creates[7]!, patch, put, remove]) {
      expect(response).toMatchObject({
        status: 409,
        body: {
          code: "SKIPPED",
          detail: expect.stringMatching(
            /^A trigger of the database skipped (the insert|this write of product [0-9a-f-]{36})\. Nothing was changed\.$/,
          ),
        },
      });
      expect(response.headers.get("sync-token")).toBeNull();
    }
    expect(await outbox(gateway.sql, changed)).toHaveLength(1);
    expect((await request("GET", urlOf(`/${changed}`))).body).toMatchObject({ version: 1, stock: 0 });
    // Conditions and missing rows come first.
    expect((await request("PATCH", urlOf(`/${changed}`), {}, { "if-match": '"2"' })).status).toBe(412);
    expect((await request("DELETE", urlOf(`/${Bun.randomUUIDv7()}`))).status).toBe(404);
  });
});

describe("a write that changed nothing is never answered as one that did", () => {
  test("503 CAPTURE_INCOMPLETE when the version did not rise, and the change is undone", async () => {
    const ids = await Promise.all(Array.from({ length: 5 }, () => create()));
    await gateway.sql`alter table products disable trigger user`;
    try {
      for (const response of await Promise.all(ids.map((id) => request("PATCH", urlOf(`/${id}`), { stock: 5 }))))
        expect(response).toMatchObject({
          status: 503,
          body: {
            code: "CAPTURE_INCOMPLETE",
            detail:
              "The database does not capture changes of this product, so no replica would get them. Nothing was changed.",
          },
        });
    } finally {
      await gateway.sql`select lockstep.capture('products', 'product')`;
    }
    for (const id of ids) expect((await request("GET", urlOf(`/${id}`))).body).toMatchObject({ stock: 0, version: 1 });
    await eventually(async () => (await request("PATCH", urlOf(`/${ids[0]}`), { stock: 5 })).body.version === 2, {
      timeoutMs: 10_000,
      what: "the gateway to notice that capture is whole",
    });
  });

  test("503 when a trigger after the stamp sets the version back, or gives a row another id", async () => {
    const id = await create();
    await rule(
      "if tg_op = 'UPDATE' then new.version := old.version; end if; return new;",
      "before update",
      "~z_user_rule",
    );
    expect((await request("PATCH", urlOf(`/${id}`), {})).body.code).toBe("CAPTURE_INCOMPLETE");
    await gateway.sql`drop trigger "~z_user_rule" on products`;
    await rule("new.id := gen_random_uuid(); return new;", "before update", "~z_user_rule");
    expect((await request("PATCH", urlOf(`/${id}`), {})).body.code).toBe("CAPTURE_INCOMPLETE");
    expect((await request("GET", urlOf(`/${id}`))).body.version).toBe(1);
  });

  test("an insert whose trigger chooses the id and the version answers what is stored", async () => {
    await rule("new.id := gen_random_uuid(); new.version := 7; return new;", "before insert", "~z_user_rule");
    const responses = await Promise.all(Array.from({ length: 20 }, () => post()));
    for (const { status, headers, body } of responses) {
      expect([status, headers.get("etag"), headers.get("location")]).toEqual([201, '"7"', `/products/${body.id}`]);
      expect((await request("GET", urlOf(`/${body.id}`))).body).toEqual(body);
    }
  });
});

test("an insert is not answered with the row of another one, when a trigger skips rows and chooses ids", async () => {
  await rule(`if new.name = 'Slow' then perform pg_sleep(0.3); end if;
    if new.name = 'Skip' then return null; end if; new.id := gen_random_uuid(); return new;`);
  const unknown =
    "The database is unavailable or overloaded. It is not known whether the request was carried out. " +
    "Read the entity before you repeat the request.";
  /** Two writes that arrive during a statement share the next one. */
  const shareStatement = async () => {
    const slow = post({ name: "Slow" });
    await untilTriggerSleeps();
    const stored = cup();
    const responses = await Promise.all([post({ name: "Skip" }), request("POST", urlOf(), stored), slow]);
    expect(responses[0]!.status).not.toBe(201);
    if (responses[1]!.status === 201) expect(responses[1]!.body.sku).toBe(stored.sku);
    return responses.slice(0, 2).every(({ status, body }) => status === 503 && body.detail === unknown);
  };
  await eventually(shareStatement, { timeoutMs: 20_000, what: "both writes to get an unknown outcome" });
});

describe("a taken value", () => {
  const rollbacks = async () => {
    await gateway.sql`select pg_stat_force_next_flush()`;
    const [row] =
      await gateway.sql`select xact_rollback::int as n from pg_stat_database where datname = current_database()`;
    return row!.n as number;
  };
  /** The gateway's sessions report their transactions once a second at most. */
  const settledRollbacks = async () => {
    for (let before = -1; ; ) {
      await Bun.sleep(1_100);
      await Promise.all(Array.from({ length: 4 }, () => request("GET", urlOf("?limit=1"))));
      const now = await rollbacks();
      if (now === before) return now;
      before = now;
    }
  };

  test("is answered inside the batch: after the first conflict, no statement is lost", async () => {
    const { body: taken } = await post();
    const { body: own } = await post();
    expect((await post({ sku: taken.sku })).status).toBe(409);
    expect((await request("PATCH", urlOf(`/${own.id}`), { sku: taken.sku })).status).toBe(409);
    const before = await settledRollbacks();
    const responses = await Promise.all(
      Array.from({ length: 200 }, (_, i) =>
        i % 4 === 0 ? request("PATCH", urlOf(`/${own.id}`), { sku: taken.sku }) : post(i % 2 ? { sku: taken.sku } : {}),
      ),
    );
    for (const [i, { status, body }] of responses.entries())
      if (i % 4 === 2) expect(status).toBe(201);
      else
        expect({ status, ...body }).toMatchObject({
          status: 409,
          code: "CONFLICT",
          detail: "Another product already has this sku.",
          errors: [{ pointer: "/sku", detail: "is taken" }],
        });
    expect(await settledRollbacks()).toBe(before);
    expect((await request("PUT", urlOf(`/${own.id}`), cup({ sku: own.sku }))).status).toBe(200);
    expect((await request("PUT", urlOf(`/${Bun.randomUUIDv7()}`), cup({ sku: taken.sku }))).status).toBe(404);
  }, 30_000);

  test("is left to a trigger that may choose another one", async () => {
    await rule(
      "if exists (select from products where sku = new.sku) then new.sku := new.sku || '-2'; end if; return new;",
      "before insert",
    );
    const sku = Bun.randomUUIDv7();
    expect((await post({ sku })).body.sku).toBe(sku);
    expect((await post({ sku })).body.sku).toBe(`${sku}-2`);
    expect((await post({ sku: `${sku}-2` })).body.sku).toBe(`${sku}-2-2`);
  });
});
