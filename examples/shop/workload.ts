/** What bench and load tests write to the shop: products of about 300 bytes as JSON. */

import remove from "./workload/bulk-delete.sql" with { type: "text" };
import insert from "./workload/bulk-insert.sql" with { type: "text" };
import update from "./workload/bulk-update.sql" with { type: "text" };

/** Name of the entity. */
export const entity = "product";

const statuses = ["active", "active", "active", "draft", "archived"] as const;

/** A product as a client sends it. Three in five match the filter of the storefront. */
export function input(unique: string, random: () => number) {
  const cents = Math.floor(random() * 100_000);
  return {
    sku: unique,
    name: "Café especial em grãos, torra média",
    description: "Notas de chocolate e castanhas. ".repeat(3).trim(),
    price: (cents / 100).toFixed(2),
    currency: "BRL",
    cost: (cents / 250).toFixed(2),
    stock: Math.floor(random() * 1_000),
    status: statuses[Math.floor(random() * statuses.length)],
    tags: ["coffee", "beans"],
  };
}

/** A merge patch with a different value each time. */
export const change = (random: () => number) => ({ stock: 1 + Math.floor(random() * 1_000_000) });

/** Changes by plain SQL. Each takes a list of ids. */
export const bulk = { insert, update, remove };
