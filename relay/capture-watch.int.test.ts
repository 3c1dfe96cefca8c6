/** Whatever makes capture incomplete changes the text by which the watch knows that it must check again. */
import { expect, test } from "bun:test";
import { sourceMigrations } from "../gateway/migrations/index.ts";
import { createLogger } from "../observability/logger.ts";
import { connectDedicated } from "../platform/postgres/connect.ts";
import { migrate } from "../platform/postgres/migrate.ts";
import { freshDatabase } from "../tests/harness/servers.ts";
import { project } from "../tests/project/index.ts";
import { CaptureWatch } from "./capture-watch.ts";

const logger = createLogger("test", "1", "silent");

/** Statements after which capture is incomplete, and those that undo them. */
const changes: readonly (readonly [string, string])[] = [
  ["alter table products disable trigger lockstep_updated", "alter table products enable trigger lockstep_updated"],
  ["alter table products set unlogged", "alter table products set logged"],
  ["create rule no_delete as on delete to products do instead nothing", "drop rule no_delete on products"],
  ["create table child () inherits (products)", "drop table child"],
  ["alter table products rename to goods", "alter table goods rename to products"],
  [
    "create or replace function lockstep.\"truncated:product\"() returns trigger language plpgsql as 'begin return null; end'",
    "select lockstep.capture('products', 'product')",
  ],
  ["create schema other; create table other.products (); set search_path = other, public", "reset search_path"],
  [
    'create trigger "~z" before insert on products for each row execute function suppress_redundant_updates_trigger()',
    'drop trigger "~z" on products',
  ],
];

test("the condition capture-incomplete follows each change of the catalog at the next check", async () => {
  const url = await freshDatabase();
  await migrate(url, sourceMigrations(project), logger);
  const sql = connectDedicated(url, "test");
  const watch = new CaptureWatch({ logger, project });
  const problem = async () => {
    await watch.refresh(sql);
    return watch.check.problem();
  };
  expect(await problem()).toBeUndefined();
  for (const [change, undo] of changes) {
    await sql.unsafe(change);
    expect(await problem(), change).toMatch(/^\S*(products|goods)/);
    await sql.unsafe(undo);
    expect(await problem(), undo).toBeUndefined();
  }
  await sql.end();
});
