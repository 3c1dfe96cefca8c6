/** Changes that the relay has set aside, in a real source without a relay. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import postgres, { type Sql } from "postgres";
import { sourceMigrations } from "../../gateway/migrations/index.ts";
import { migrate } from "../../platform/postgres/migrate.ts";
import { silentLogger } from "../../tests/harness/replica.ts";
import { freshDatabase } from "../../tests/harness/servers.ts";
import { product, project } from "../../tests/project/index.ts";
import { readOutboxVersions, readSourceHop } from "../journey/read-source.ts";
import type { ListedEntry } from "./dead-letter-index.ts";
import { dropDeadLetters } from "./drop.ts";
import { pageText, paginate, toListItem } from "./list.ts";
import { replayDeadLetters } from "./replay.ts";
import { selectOpen } from "./select.ts";
import { readDetails } from "./show.ts";

let sql: Sql;
let id: string;
beforeAll(async () => {
  const url = await freshDatabase();
  await migrate(url, sourceMigrations(project), silentLogger);
  sql = postgres(url, { max: 2, onnotice: () => {} });
  const [row] = await sql<{ id: string }[]>`
    insert into products (sku, name, price) values ('cup', 'Cup', 1) returning id`;
  id = row!.id;
  await sql`insert into lockstep.set_aside (entity, id, seq, version, operation, data, resend, at, reason, detail)
    values ('product', gen_random_uuid(), 900, 1, 'deleted', null, false, now(), 'record-rejected', 'small'),
      ('product', ${id}, 901, 9007199254740993, 'upserted', ${sql.json({ price: "1" })}, false, now(), 'version-too-large', 'large')`;
}, 60_000);
afterAll(() => sql?.end({ timeout: 1 }));

const lines: string[] = [];
const context = () => ({
  connections: { source: () => sql } as never,
  project,
  progress: () => {},
  print: (text: string) => void lines.push(text),
  signal: new AbortController().signal,
});
const open = async (...names: string[]): Promise<ListedEntry[]> =>
  (await selectOpen(context(), names, { replica: "relay" })).open;

test("a version above 2^53 is listed and shown exactly, beside the other rows", async () => {
  const page = paginate(await open(), "open", 10);
  expect(page.items.map(toListItem)).toMatchObject([
    { origin: "outbox/900", version: 1, detail: "small" },
    { origin: "outbox/901", version: null, detail: "large (it is 9007199254740993)" },
  ]);
  expect(pageText(page)).toContain("9007199254740993");
  const [large] = await open("outbox/901");
  expect(await readDetails(context(), large!, true)).toMatchObject({
    version: null,
    reason: "version-too-large",
  });
  await sql.unsafe(`alter table products disable trigger "~lockstep_stamp";
    update products set version = 9007199254740993; select lockstep.capture('products', 'product')`);
  expect((await readSourceHop(sql, product, id)).version).toBe("9007199254740993");
  expect(await readOutboxVersions(sql, product, id)).toEqual([1, "9007199254740993"]);
});

test("a replay while no relay runs says that the states wait, not that they cannot be sent", async () => {
  const deps = { log: () => Promise.reject(new Error("unused")), source: () => sql, signal: AbortSignal.timeout(500) };
  const result = await replayDeadLetters(deps, await open("outbox/901"), 100, () => {});
  expect(result).toEqual({ replayed: 1, impossible: [], setAsideAgain: [], pending: [id] });
});

test("a drop reports only what it has deleted", async () => {
  const selected = await open();
  await sql`delete from lockstep.set_aside where seq = 900`;
  expect(await dropDeadLetters(context(), selected)).toBe(1);
  expect(lines).toEqual([`outbox/901 dropped: product ${id} version 9007199254740993, version-too-large`]);
  expect(await open()).toEqual([]);
});
