import { expect, test } from "bun:test";
import { eventsTopic } from "../contracts/topics.ts";
import { sourceMigrations } from "../gateway/migrations/index.ts";
import { createLogger } from "../observability/logger.ts";
import { connectDedicated } from "../platform/postgres/connect.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { AsyncApiChecker } from "../tests/harness/api-descriptions.ts";
import { freshDatabase } from "../tests/harness/servers.ts";
import { product, project } from "../tests/project/index.ts";
import { toEventRecord } from "./event-record.ts";
import { Outbox, type RejectedRow } from "./outbox.ts";

async function outboxOn(url: string) {
  await migrate(url, sourceMigrations(project), createLogger("test", "1", "silent"));
  const sql = connectDedicated(url, "test");
  return { sql, outbox: new Outbox(sql, true), [Symbol.asyncDispose]: () => sql.end() };
}

test("P3: changes of one product are read in the order of their versions", async () => {
  await using source = await outboxOn(await freshDatabase());
  const { sql, outbox } = source;
  await sql`insert into products (sku, name, price) values ('a', 'A', 1)`;
  // Seqs with one, two and three digits: as text they would sort differently.
  for (let i = 0; i < 119; i++) await sql`update products set stock = stock + 1`;
  const versions = (await outbox.read(1_000)).map((row) => row.version);
  expect(versions).toEqual(Array.from({ length: 120 }, (_, i) => i + 1));
});

test("acknowledged rows are deleted, their positions are saved, and the other rows stay", async () => {
  await using source = await outboxOn(await freshDatabase());
  const { sql, outbox } = source;
  await sql`insert into products (sku, name, price) select 'sku' || n, 'N', 1 from generate_series(1, 5) n`;
  const rows = await outbox.read(3);
  const hadMore = outbox.hasMore;
  const position = (partition: number, next: number) => ({ topic: "products.events", partition, next });
  const positions = new Map([
    ["products.events/0", position(0, 3)],
    ["products.events/1", position(1, 1)],
  ]);
  const seqs = rows.map((row) => row.seq);
  const others = await outbox.read(10, { seqs, positions });
  expect(await outbox.positions()).toEqual(positions);
  expect([hadMore, outbox.hasMore]).toEqual([true, false]);
  expect(others.length).toBe(2);
  expect(others.filter(({ seq }) => seqs.includes(seq))).toEqual([]);
  expect(await outbox.read(10)).toEqual(others);
  expect((await outbox.depth()).depth).toBe(2);

  const changed = new Map([["products.events/1", position(1, 2)]]);
  expect(await outbox.read(0, { seqs: [others[0]!.seq], positions: changed })).toEqual([]);
  expect(await outbox.positions()).toEqual(new Map([...positions, ...changed]));
  expect(await outbox.read(10)).toEqual([others[1]!]);
});

test("a read that ends at the limit of bytes says that there is more", async () => {
  await using source = await outboxOn(await freshDatabase());
  const { sql, outbox } = source;
  // The table limits descriptions; the outbox does not.
  await sql`insert into products (sku, name, price) select 'sku' || n, 'N', 1 from generate_series(1, 3) n`;
  await sql`update lockstep.outbox set data = data || jsonb_build_object('description', repeat('x', 3500000))`;
  const sizes: [number, boolean][] = [];
  for (let seqs: string[] = []; sizes.length < 2; ) {
    const rows = await outbox.read(100, { seqs, positions: new Map() });
    sizes.push([rows.length, outbox.hasMore]);
    seqs = rows.map(({ seq }) => seq);
  }
  expect(sizes).toEqual([
    [2, true],
    [1, false],
  ]);
});

test("the time of a change is the time of its commit, not of its statement", async () => {
  await using source = await outboxOn(await freshDatabase());
  const { sql, outbox } = source;
  const [before] = await sql.begin(async (transaction) => {
    await transaction`insert into products (sku, name, price) values ('slow', 'S', 1)`;
    await transaction`select pg_sleep(0.3)`;
    return transaction<{ now: Date }[]>`select clock_timestamp() as now`;
  });
  const [row] = await outbox.read(1);
  expect(Date.parse(row!.time)).toBeGreaterThanOrEqual(before!.now.getTime());
});

test("the records of captured rows match the AsyncAPI description", async () => {
  await using source = await outboxOn(await freshDatabase());
  const { sql, outbox } = source;
  await sql`insert into products (sku, name, price) values ('described', 'D', 1)`;
  await sql`delete from products`;
  const topics = new AsyncApiChecker();
  const fits = (await outbox.read(2)).map((row) =>
    topics.matchingMessages(eventsTopic(product).name, toEventRecord(product, row, undefined)),
  );
  expect(fits).toEqual([["ProductUpserted"], ["ProductDeleted"]]);
});

test("P6: of the states of an entity that cannot be sent, the newest stays set aside until a newer or equal one is sent", async () => {
  await using source = await outboxOn(await freshDatabase());
  const { sql, outbox } = source;
  const id = Bun.randomUUIDv7();
  /** Puts a version into the outbox, in any order: a resend that read a row earlier may be stored later. */
  const capture = async (version: number): Promise<RejectedRow> => {
    await sql`insert into lockstep.outbox (entity, id, version, operation) values ('product', ${id}, ${version}, 'deleted')`;
    return { row: (await outbox.read(10)).at(-1)!, reason: "record-too-large", detail: `version ${version}` };
  };
  const setAside = async () => (await sql`select version::int, detail from lockstep.set_aside where id = ${id}`)[0];
  const two = { version: 2, detail: "version 2" };
  await outbox.setAside([await capture(2)]);
  await outbox.setAside([await capture(1)]);
  expect(await setAside()).toEqual(two);
  await outbox.setAside([await capture(1), await capture(2), await capture(1)]);
  expect(await setAside()).toEqual(two);

  const send = async (version: number) =>
    outbox.read(0, { seqs: [(await capture(version)).row.seq], positions: new Map() });
  await send(1);
  expect(await setAside()).toEqual(two);
  await send(2);
  expect(await setAside()).toBeUndefined();
});

test("P2: a position before lost events stays, because stored changes that follow it are still in the outbox", async () => {
  await using source = await outboxOn(await freshDatabase());
  const { sql, outbox } = source;
  const position = (partition: number, next: number) => ({ topic: "products.events", partition, next });
  const saved = new Map([0, 1].map((n) => [`products.events/${n}`, position(n, n === 0 ? 2 : 9)] as const));
  await outbox.read(0, { seqs: [], positions: saved });
  const lost = [0, 1].map((partition) => ({ topic: "products.events", partition, from: 5, to: 9 }));
  await sql`select lockstep.record_lost_events(${JSON.stringify(lost)}::text::jsonb)`;
  expect([...(await outbox.positions()).values()].sort((a, b) => a.partition - b.partition)).toEqual([
    position(0, 2),
    position(1, 5),
  ]);
});
