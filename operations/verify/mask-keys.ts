/** Masks that hash need their key for a comparison. Without it, their members are not compared, and the result says so. */
import type { ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import type { Document } from "../../contracts/entity/document.ts";
import { keysByMask } from "../../contracts/entity/mask.ts";

/** Members that cannot be compared, since this process does not have the keys of their masks. */
export const unknownMembers = ({ masks }: ReplicaDeclaration): string[] =>
  Object.keys(masks).filter((member) => masks[member]!.setting !== undefined && !keysByMask.has(masks[member]!));

/**
 * Makes the replica's document. The members that {@link unknownMembers} returns have wrong values: a mask without any
 * key would throw, and with it the other members could not be compared.
 *
 * @throws whatever the declaration throws.
 */
export function projectKnown(replica: ReplicaDeclaration, document: Document): Document {
  const masks = unknownMembers(replica).map((member) => replica.masks[member]!);
  for (const mask of masks) keysByMask.set(mask, "unknown");
  try {
    return replica.project(document);
  } finally {
    for (const mask of masks) keysByMask.delete(mask);
  }
}
