/** Event → what each replica gets. Pure. */
import type { Document, EntityDeclaration } from "../contracts/entity.ts";
import type { EntityEvent } from "../contracts/event.ts";

/** For one replica: its document, or null when it is to have none from this version on. */
export interface Delivery {
  readonly replica: string;
  readonly document: Document | null;
}

/**
 * Every replica hears of every version: it gets the projection when its filter holds, and otherwise that it is to have none, also
 * when it has none already. So leaving a filter is a delete (P5), and a replica knows how fresh it is about every entity (P8).
 */
export function route(entity: EntityDeclaration, { document }: EntityEvent): Delivery[] {
  return entity.replicas.map((replica) => {
    if (!document || !replica.filter(document)) return { replica: replica.name, document: null };
    const { id, version, createdAt, updatedAt } = document;
    return { replica: replica.name, document: { id, ...replica.project(document), createdAt, updatedAt, version } };
  });
}
