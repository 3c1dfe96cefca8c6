/** Which entities a replica has. */
import type { EntityDeclaration, ReplicaDeclaration } from "../contracts/entity/declaration.ts";
import type { Project } from "../contracts/project.ts";

/** An entity and its declaration for one replica. */
export interface ReplicatedEntity {
  readonly entity: EntityDeclaration;
  readonly replica: ReplicaDeclaration;
}

/** The entities of a replica, internal ones included. @throws {Error} when no entity declares the replica. */
export function replicatedEntities({ allEntities }: Pick<Project, "allEntities">, name: string): ReplicatedEntity[] {
  const found = allEntities.flatMap((entity) =>
    entity.replicas.filter((replica) => replica.name === name).map((replica) => ({ entity, replica })),
  );
  if (found.length === 0) throw new Error(`no entity has a replica ${name}`);
  return found;
}

/** True for an entity that users see: HTTP routes, dead letters and receipts leave internal ones out. */
export const isPublic = ({ entity }: Pick<ReplicatedEntity, "entity">): boolean => !entity.internal;
