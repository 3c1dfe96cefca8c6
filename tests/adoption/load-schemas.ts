/** Creates the sample tables in a database. */
import type { Sql } from "postgres";
import rental from "./schemas/rental.sql" with { type: "text" };
import saas from "./schemas/saas.sql" with { type: "text" };
import trade from "./schemas/trade.sql" with { type: "text" };

/** The text of each schema, by its name. Each can be loaded alone, and all into one database. */
export const schemas = { rental, trade, saas } as const;
export type SchemaName = keyof typeof schemas;

/** Loads the schemas in this order, each in one implicit transaction. The database must not contain them yet. */
export async function loadSchemas(sql: Sql, names: readonly SchemaName[] = ["rental", "trade", "saas"]): Promise<void> {
  for (const name of names)
    await sql.unsafe(`set client_min_messages = warning; ${schemas[name]}; reset client_min_messages`).simple();
}
