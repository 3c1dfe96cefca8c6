import type { EntityDeclaration } from "../entity/entity.ts";
import { product } from "./product.ts";

/** Every entity that this Lockstep keeps in step. */
export const entities: readonly EntityDeclaration[] = [product];

/** Names of all replicas, in the order of their declaration. */
export const replicaNames: readonly string[] = [...new Set(entities.flatMap((e) => e.replicas.map((r) => r.name)))];
