/** The keys of masks that hash: settings that a process reads when it starts. */
import type { EntityDeclaration } from "./declaration.ts";
import { keysByMask } from "./mask.ts";

type Entities = readonly Pick<EntityDeclaration, "name" | "replicas">[];

/** Names of the settings that have keys of masks, for these entities. */
export const maskSettings = (entities: Entities): string[] => [
  ...new Set(masksOf(entities).map(({ setting }) => setting)),
];

/**
 * Sets the keys of masks, as far as they are known. A process does so once, when it has loaded its project.
 *
 * @param read returns the value of a setting.
 */
export function setMaskKeys(entities: Entities, read: (setting: string) => string | undefined): void {
  for (const { declared, setting } of masksOf(entities)) {
    const key = read(setting);
    if (key) keysByMask.set(declared, key);
  }
}

/** The masks without a key: the setting, and what is masked with it. */
export const missingMaskKeys = (entities: Entities): { readonly setting: string; readonly where: string }[] =>
  masksOf(entities).filter(({ declared }) => !keysByMask.has(declared));

/** @throws {Error} for a mask without a key; the message names the setting and what is masked with it. */
export function requireMaskKeys(entities: Entities): void {
  const [missing] = missingMaskKeys(entities);
  if (missing) throw new Error(`the setting ${missing.setting} has no value; ${missing.where} is masked with it`);
}

function masksOf(entities: Entities) {
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
