/** Example documents of an entity, for API descriptions and for trials. Pure. */
import type { EntityDeclaration, ReplicaDeclaration } from "./declaration.ts";
import type { Document } from "./document.ts";
import { inputSchema } from "./schemas.ts";

const at = "2026-01-02T03:04:05.678Z";
/** Id of every example: a UUIDv7, as the gateway creates them. */
export const EXAMPLE_ID = "0197f3a0-0000-7000-8000-000000000001";
const system = { id: EXAMPLE_ID, createdAt: at, updatedAt: at, version: 1 };

/**
 * The source's document after a client sent the declaration's example.
 *
 * @returns undefined when the declaration has no example, or the example is no longer valid.
 */
export function exampleDocument(entity: EntityDeclaration): Document | undefined {
  const input = inputSchema(entity).safeParse(entity.example);
  return input.success ? { ...input.data, ...system } : undefined;
}

/** The declaration's example as a client sends it. @param suffix makes the unique texts different from earlier ones. */
export const exampleInput = ({ example, unique }: EntityDeclaration, suffix: string): Document =>
  Object.fromEntries(
    Object.entries(example ?? {}).map(([member, value]) => [
      member,
      unique.includes(member) && typeof value === "string" ? `${value}-${suffix}` : value,
    ]),
  );

/**
 * The replica's document of the example.
 *
 * @returns undefined when there is none, or the replica's filter excludes it.
 */
export function exampleForReplica(entity: EntityDeclaration, replica: ReplicaDeclaration): Document | undefined {
  const document = exampleDocument(entity);
  return document && replica.filter(document) ? { ...replica.project(document), ...system } : undefined;
}
