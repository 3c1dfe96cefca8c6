/** The entity that the bench writes. Only this file, bulk-*.sql and write-*.sql contain its fields. */
import { entities } from "../../contracts/entities/index.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Random } from "./mix.ts";

/** The declaration of the entity. */
export const entity: EntityDeclaration = declared("product");

function declared(name: string): EntityDeclaration {
  const declaration = entities.find((e) => e.name === name);
  if (!declaration)
    throw new Error(`the bench writes the entity "${name}", which is not declared: change load-tests/bench/product.ts`);
  return declaration;
}

const statuses = ["active", "active", "active", "draft", "archived"];

/**
 * A product of about 300 bytes as JSON. Three in five match the filter of every replica.
 *
 * @param sku unique; an update must use the same one.
 */
export function productBody(sku: string, random: Random): string {
  const cents = Math.floor(random() * 100_000);
  return JSON.stringify({
    sku,
    name: "Café especial em grãos, torra média",
    description: "Notas de chocolate e castanhas. ".repeat(3).trim(),
    price: (cents / 100).toFixed(2),
    currency: "BRL",
    cost: (cents / 250).toFixed(2),
    stock: Math.floor(random() * 1_000),
    status: statuses[Math.floor(random() * statuses.length)],
    tags: ["coffee", "beans"],
  });
}
