/** The keys of masks that hash: settings that a process reads when it starts. */
import type { EntityDeclaration } from "./declaration.ts";
import { keysByMask } from "./mask.ts";

/** Names of the settings that have keys of masks, for these entities. */
export const maskSettings = (entities: readonly EntityDeclaration[]): string[] => [
  ...new Set(masksOf(entities).map(({ setting }) => setting)),
];

/**
 * Sets the keys of masks. A process that projects documents calls it once, before the first.
 *
 * @param read returns the value of a setting.
 * @throws {Error} for a setting without a value; the message names it and what needs it.
 */
export function setMaskKeys(
  entities: readonly EntityDeclaration[],
  read: (setting: string) => string | undefined,
): void {
  for (const { declared, setting, where } of masksOf(entities)) {
    const key = read(setting);
    if (!key) throw new Error(`the setting ${setting} has no value; ${where} is masked with it`);
    keysByMask.set(declared, key);
  }
}

function masksOf(entities: readonly EntityDeclaration[]) {
  return entities.flatMap((entity) =>
    entity.replicas.flatMap((replica) =>
      Object.entries(replica.masks).flatMap(([member, declared]) =>
        declared.setting === undefined
          ? []
          : [{ declared, setting: declared.setting, where: `${entity.name}.${member} of the replica ${replica.name}` }],
      ),
    ),
  );
}
