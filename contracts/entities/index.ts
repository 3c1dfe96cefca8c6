import { declareCanary } from "../canary.ts";
import type { EntityDeclaration } from "../entity/declaration.ts";
import { product } from "./product.ts";

/** The entities of this project: routes, lists, verification and commands work on these. */
export const entities: readonly EntityDeclaration[] = [product];

/** Names of all replicas, in the order of their declaration. */
export const replicaNames: readonly string[] = [...new Set(entities.flatMap((e) => e.replicas.map((r) => r.name)))];

/** {@link entities} and the internal ones: every entity that relay, stream and replicas process. */
export const allEntities: readonly EntityDeclaration[] = [...entities, declareCanary(replicaNames, "")];
