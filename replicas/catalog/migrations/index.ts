import type { Migration } from "../../../platform/postgres/migrate.ts";
import products from "./0001-products.sql" with { type: "text" };

/** The tables of this replica, oldest first. */
export const migrations: readonly Migration[] = [{ name: "0001-products", sql: products }];
