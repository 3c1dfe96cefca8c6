/** Event + who holds the entity → what each replica gets. Pure. */
import type { Document, EntityDeclaration } from "../contracts/entity.ts";
import type { EntityEvent } from "../contracts/event.ts";

/** For one replica: its document, or null to remove the entity there. */
export interface Delivery {
  readonly replica: string;
  readonly document: Document | null;
}

export interface Routing {
  readonly deliveries: readonly Delivery[];
  /** Names of the replicas that hold the entity after this event. */
  readonly held: readonly string[];
}

/**
 * Decides for each declared replica: the projection when the filter holds; a removal when it does not and the replica has
 * the entity (P5: leaving is a delete); nothing otherwise.
 */
export function route(entity: EntityDeclaration, event: EntityEvent, heldBefore: readonly string[]): Routing {
  const deliveries: Delivery[] = [];
  const held: string[] = [];
  for (const replica of entity.replicas) {
    if (event.document && replica.filter(event.document)) {
      const { id, version, createdAt, updatedAt } = event.document;
      const projected = { id, ...replica.project(event.document), createdAt, updatedAt, version };
      deliveries.push({ replica: replica.name, document: projected });
      held.push(replica.name);
    } else if (heldBefore.includes(replica.name)) deliveries.push({ replica: replica.name, document: null });
  }
  return { deliveries, held };
}
