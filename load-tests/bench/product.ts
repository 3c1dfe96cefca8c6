/** The entity that bench and chaos write. Only this file, bulk-*.sql and write-*.sql contain its fields. */
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { Project } from "../../contracts/project.ts";
import type { Random } from "./mix.ts";

const ENTITY = "product";

/** The declaration of the entity. @throws {Error} when the project does not declare it. */
export function productOf({ entities }: Pick<Project, "entities">): EntityDeclaration {
  const declaration = entities.find(({ name }) => name === ENTITY);
  if (declaration) return declaration;
  throw new Error(
    `bench and chaos write the entity "${ENTITY}", which the project lacks: choose another with LOCKSTEP_CONFIG`,
  );
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
