/** Step 3 of the stream: event → what each replica gets. Pure. */

import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Document } from "../contracts/entity/document.ts";
import type { EntityEvent } from "../contracts/event.ts";

/** What one replica gets. */
export interface Delivery {
  readonly replica: string;
  /** The replica's projection; null when the replica must not have the entity from this version on. */
  readonly document: Document | null;
}

/**
 * Makes a delivery for every replica and every version: the projection when the replica's filter matches, otherwise
 * null. A replica gets null also when it does not have the entity. So leaving a filter is a delete (P5), and each
 * replica knows the newest version of every entity (P8).
 */
export function route(entity: EntityDeclaration, { document }: EntityEvent): Delivery[] {
  return entity.replicas.map((replica) => {
    if (!document || !replica.filter(document)) return { replica: replica.name, document: null };
    return { replica: replica.name, document: replica.project(document) };
  });
}
