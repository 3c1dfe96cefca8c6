/** Event → what each replica gets. Pure. */
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { Document } from "../contracts/entity/document.ts";
import type { EntityEvent } from "../contracts/event.ts";

/** For one replica: its document, or null when it is to have none from this version on. */
export interface Delivery {
  readonly replica: string;
  readonly document: Document | null;
}

/** Members of every document, in their order after the replica's own. */
const LAST = ["createdAt", "updatedAt", "version"];

/**
 * Every replica hears of every version: it gets the projection when its filter holds, and otherwise that it is to have none, also
 * when it has none already. So leaving a filter is a delete (P5), and a replica knows how fresh it is about every entity (P8).
 */
export function route(entity: EntityDeclaration, { document }: EntityEvent): Delivery[] {
  return entity.replicas.map((replica) => {
    if (!document || !replica.filter(document)) return { replica: replica.name, document: null };
    const routed = replica.project(document, { id: document.id });
    for (const member of LAST) routed[member] = document[member];
    return { replica: replica.name, document: routed };
  });
}
