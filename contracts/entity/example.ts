/** One document of an entity: as the descriptions show it, and as somebody who tries it out sends it. Pure. */
import type { EntityDeclaration, ReplicaDeclaration } from "./declaration.ts";
import type { Document } from "./document.ts";
import { inputSchema } from "./schemas.ts";

const at = "2026-01-02T03:04:05.678Z";
/** Id of every example: a UUIDv7, as the gateway makes them. */
export const EXAMPLE_ID = "0197f3a0-0000-7000-8000-000000000001";
const system = { id: EXAMPLE_ID, createdAt: at, updatedAt: at, version: 1 };

/** What the source has after the declaration's example was sent; undefined where there is none, or it does not fit the fields any more. */
export function exampleDocument(entity: EntityDeclaration): Document | undefined {
  const sent = inputSchema(entity).safeParse(entity.example);
  return sent.success ? { ...sent.data, ...system } : undefined;
}

/** The declaration's example as a client sends it; `own` makes the values its own that no two entities may share. */
export const exampleInput = ({ example, unique }: EntityDeclaration, own: string): Document =>
  Object.fromEntries(
    Object.entries(example ?? {}).map(([member, value]) => [
      member,
      unique.includes(member) && typeof value === "string" ? `${value}-${own}` : value,
    ]),
  );

/** What a replica has of it; undefined where its filter keeps it out. */
export function exampleIn(entity: EntityDeclaration, replica: ReplicaDeclaration): Document | undefined {
  const document = exampleDocument(entity);
  return document && replica.filter(document) ? { ...replica.project(document), ...system } : undefined;
}
