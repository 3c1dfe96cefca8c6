/** What chaos writes. It knows the product in its own words (rest/copies.ts), so that no declaration judges itself. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Project } from "../contracts/project.ts";
import { UsageError } from "../stack/options.ts";
import { copies } from "./rest/copies.ts";

const ENTITY = "product";

/** The declaration of the product. @throws {UsageError} when the project does not declare it. */
export function productOf({ entities }: Pick<Project, "entities">): EntityDeclaration {
  const declaration = entities.find(({ name }) => name === ENTITY);
  if (declaration) return declaration;
  throw new UsageError(
    `chaos writes and judges the entity "${ENTITY}" of examples/shop, which the project lacks: choose a project that has ` +
      "it with LOCKSTEP_CONFIG",
  );
}

/** Names of the replicas that chaos reads and judges: those that keep the product. Faults may hit others too. */
export const judgedReplicas = (project: Pick<Project, "entities">): string[] =>
  productOf(project)
    .replicas.map(({ name }) => name)
    .filter((name) => name in copies);
