/** Masks that hash need their key for a comparison. Without it, their members are not compared, and the result says so. */
import type { EntityDeclaration, ReplicaDeclaration } from "../../contracts/entity/declaration.ts";
import { keysByMask, type Mask } from "../../contracts/entity/mask.ts";

/** Masks whose key this process does not know. */
const unknownMasks = new WeakSet<Mask<unknown>>();

/**
 * Sets the keys of all masks that have none yet.
 *
 * @param read returns the value of a setting; undefined: the process does not have it.
 */
export function setKnownMaskKeys(
  entities: readonly EntityDeclaration[],
  read: (setting: string) => string | undefined,
): void {
  const masks = entities.flatMap(({ replicas }) => replicas.flatMap((replica) => Object.values(replica.masks)));
  for (const mask of masks) {
    if (mask.setting === undefined || keysByMask.has(mask)) continue;
    const key = read(mask.setting);
    if (!key) unknownMasks.add(mask);
    // A mask without any key would fail the whole projection, and with it the members that can be compared.
    keysByMask.set(mask, key ?? "unknown");
  }
}

/** Members that cannot be compared, since the keys of their masks are not known. */
export const unknownMembers = ({ masks }: ReplicaDeclaration): string[] =>
  Object.keys(masks).filter((member) => unknownMasks.has(masks[member]!));
