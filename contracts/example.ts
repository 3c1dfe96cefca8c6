/** One document of an entity as the descriptions show it. Pure. */
import type { Document, EntityDeclaration, ReplicaDeclaration } from "./entity.ts";

const at = "2026-01-02T03:04:05.678Z";
export const EXAMPLE_ID = "0197f3a0-0000-7000-8000-000000000001";
const system = { id: EXAMPLE_ID, createdAt: at, updatedAt: at, version: 1 };

/** What the source has after the declaration's example was sent; undefined where it has none. */
export function exampleDocument({ fields, example }: EntityDeclaration): Document | undefined {
  if (!example) return undefined;
  const initial = Object.entries(fields).flatMap(([member, f]) => ("initial" in f ? [[member, f.initial]] : []));
  return { ...Object.fromEntries(initial), ...example, ...system };
}

/** What a replica has of it; undefined where its filter keeps it out. */
export function exampleIn(entity: EntityDeclaration, replica: ReplicaDeclaration): Document | undefined {
  const document = exampleDocument(entity);
  return document && replica.filter(document) ? { ...replica.project(document), ...system } : undefined;
}
