/** Fills the sample tables with many rows: one INSERT per table from `generate_series`, before capture is installed. */
import type { Sql } from "postgres";
import { adoptedTables } from "./expectations.ts";
import rental from "./schemas/rental.fill.sql" with { type: "text" };
import saas from "./schemas/saas.fill.sql" with { type: "text" };
import trade from "./schemas/trade.fill.sql" with { type: "text" };

/** Rows of each part of the fill, for one million rows in all. */
const ROWS_PER_MILLION = {
  address: 20_000,
  actor: 5_000,
  film: 20_000,
  film_actor: 60_000,
  customer: 40_000,
  inventory: 60_000,
  rental: 120_000,
  payment: 150_000,
  screening: 15_000,
  customers: 10_000,
  products: 5_000,
  orders: 50_000,
  details: 120_000,
  digests: 5_000,
  weird: 2_000,
  movements: 70_000,
  rates: 20_000,
  steps: 2_000,
  shifts: 5_000,
  slots: 5_000,
  networks: 5_000,
  codes: 3_000,
  users: 20_000,
  projects: 2_000,
  tasks: 50_000,
  comments: 40_000,
  attachments: 3_000,
  api_keys: 1_000,
  contacts: 5_000,
  audit: 30_000,
  imports: 5_000,
  every_type: 1_000,
  invoices: 5_000,
} as const;

/** Tables whose size does not follow the number of rows. */
const FIXED = {
  country: 100,
  city: 600,
  language: 6,
  category: 50,
  store: 20,
  staff: 200,
  categories: 30,
  demographics: 50,
  employees: 300,
  region: 10,
  territories: 500,
  suppliers: 300,
  shippers: 20,
  tenants: 40,
  teams: 120,
  flags: 100,
  subscriptions: 400,
} as const;

/** A table needs at least so many rows, because others refer to it. */
const MIN_ROWS = 400;

const sizesFor = (rows: number): ReadonlyMap<string, number> =>
  new Map<string, number>([
    ...Object.entries(FIXED),
    ...Object.entries(ROWS_PER_MILLION).map(
      ([name, perMillion]) => [name, Math.max(MIN_ROWS, Math.ceil((perMillion * rows) / 1_000_000))] as const,
    ),
  ]);

/**
 * Inserts about `rows` rows into the tables of all three schemas, which must be empty. At least 22,000 rows, because
 * each table gets some. A million rows take less than a minute.
 *
 * @returns the number of rows in all tables to adopt.
 */
export async function fill(sql: Sql, rows: number): Promise<number> {
  const sizes = sizesFor(rows);
  const connection = await sql.reserve();
  try {
    for (const text of [rental, trade, saas]) {
      const statements = text.replace(/@(\w+)@/g, (_, name: string) => {
        const size = sizes.get(name);
        if (size === undefined) throw new RangeError(`the fill has no size for ${name}`);
        return String(size);
      });
      await connection.unsafe(`set client_min_messages = warning; ${statements}; reset client_min_messages`).simple();
    }
    await connection.unsafe("analyze");
  } finally {
    connection.release();
  }
  return await countRows(sql);
}

/** The number of rows in all tables to adopt. */
export async function countRows(sql: Sql): Promise<number> {
  const counts = adoptedTables.map(({ relation }) => `select count(*) as rows from ${relation}`);
  const [total] = await sql.unsafe<{ rows: number }[]>(
    `select sum(rows)::float8 as rows from (${counts.join(" union all ")}) as counts`,
  );
  return total!.rows;
}
