/** The workload writes by random SQL without an unexpected error, and the comparison finds what differs. */
import { beforeAll, expect, test } from "bun:test";
import postgres from "postgres";
import { freshDatabase, postgresUrl } from "../harness/servers.ts";
import { compareTable } from "./compare.ts";
import { adoptedTables } from "./expectations.ts";
import { fill } from "./fill.ts";
import { loadSchemas } from "./load-schemas.ts";
import { runWorkload } from "./workload.ts";

/** TEST_SECONDS: how long the workload runs. */
const SECONDS = Number(process.env.TEST_SECONDS ?? 20);

let url: string;
let copyUrl: string;
beforeAll(async () => {
  url = await freshDatabase();
  await loadAndFill(url);
  copyUrl = await copyDatabase(url);
}, 120_000);

async function loadAndFill(address: string): Promise<void> {
  await using database = connect(address);
  await loadSchemas(database.sql);
  await fill(database.sql, 30_000);
}

function connect(address: string) {
  const sql = postgres(address, { max: 2, onnotice: () => {} });
  return { sql, [Symbol.asyncDispose]: () => sql.end() };
}

/** A database with the same content. */
async function copyDatabase(address: string): Promise<string> {
  const original = new URL(address).pathname.slice(1);
  await using admin = connect(await postgresUrl());
  await admin.sql.unsafe(`create database ${original}_copy template ${original}`);
  return Object.assign(new URL(address), { pathname: `/${original}_copy` }).href;
}

test(
  "random writers change the tables without an unexpected error",
  async () => {
    const report = await runWorkload({ url, seed: "workload", seconds: SECONDS, perSecond: 300 });
    expect(report.unexpectedErrors).toEqual([]);
    const neverDone = Object.entries(report.byOperation).filter(([, { done }]) => done === 0);
    expect(neverDone).toEqual([]);
    expect(report.operations).toBeGreaterThan(SECONDS * 100);
    expect(report.waitMs.max).toBe(report.longestWaits[0]!.ms);

    const unchanged: string[] = [];
    for (const { relation, key } of adoptedTables) {
      const { count } = await compareTable(url, copyUrl, { source: relation, key });
      if (count === 0) unchanged.push(relation);
    }
    expect(unchanged).toEqual([]);
  },
  (SECONDS + 60) * 1_000,
);

test("a comparison names missing, superfluous and different rows", async () => {
  const [left, right] = [await freshDatabase(), await freshDatabase()];
  for (const [address, rows] of [
    [left, `(1, 'é', 1.0, '-0'), (2, 'b', 1, null), (10, 'c', 1, 1)`],
    [right, `(1, 'é', 1.00, '-0'), (3, 'b', 1, null), (10, 'c', 1, 1)`],
  ] as const) {
    await using sql = connect(address);
    await sql.sql.unsafe(`create table "T 1" (id integer, "k,2" text, n numeric, f float8, primary key (id, "k,2"));
      insert into "T 1" values ${rows}`);
  }
  const result = await compareTable(left, right, { source: '"T 1"', key: ["id", "k,2"] });
  expect(result).toEqual({
    sourceRows: 3,
    replicaRows: 3,
    count: 3,
    differences: [
      { key: ["1", "é"], kind: "different", columns: { n: { source: "1.0", replica: "1.00" } } },
      { key: ["2", "b"], kind: "missing in replica" },
      { key: ["3", "b"], kind: "only in replica" },
    ],
  });
  const filtered = await compareTable(left, right, { source: '"T 1"', key: ["id"], columns: ["f"], where: "id <> 2" });
  expect(filtered.differences).toEqual([{ key: ["3"], kind: "only in replica" }]);
});
