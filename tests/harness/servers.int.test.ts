import { expect, test } from "bun:test";
import postgres from "postgres";
import { eventually, freshDatabase } from "./servers.ts";

test("each test gets its own empty database that records commit timestamps", async () => {
  const [first, second] = await Promise.all([freshDatabase(), freshDatabase()]);
  expect(first).not.toBe(second);
  const sql = postgres(first, { max: 1 });
  try {
    await sql`create table t (n int)`;
    await sql`insert into t values (1)`;
    const [row] = await sql`select pg_xact_commit_timestamp(xmin) > now() - interval '1 minute' as recent from t`;
    expect(row?.recent).toBe(true);
  } finally {
    await sql.end();
  }
});

test("eventually returns the first truthy value, and on timeout reports the last one", async () => {
  let calls = 0;
  expect(await eventually(() => ++calls > 2 && "there", { timeoutMs: 5_000, what: "three calls" })).toBe("there");
  const never = eventually(() => Promise.reject(new Error("still dark")), { timeoutMs: 60, what: "light" });
  await expect(never).rejects.toThrow(/light.*still dark/s);
});
