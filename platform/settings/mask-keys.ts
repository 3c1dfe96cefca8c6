/** Keys of masks. The settings have names of the project's own choice, so Lockstep's list of settings lacks them. */
import { readFileSync } from "node:fs";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { maskSettings, setMaskKeys } from "../../contracts/entity/mask-keys.ts";
import { readSecretFiles } from "./secret-files.ts";
import { SettingsError } from "./settings.ts";

/**
 * Reads the settings that the masks of these entities name. A secret may come from a file, as `NAME_FILE`.
 *
 * @returns the values by name, without settings that have none.
 * @throws {SettingsError} for a file that cannot be read.
 */
export function readMaskKeys(
  entities: readonly EntityDeclaration[],
  from: Readonly<Record<string, string | undefined>> = process.env,
): ReadonlyMap<string, string> {
  const names = maskSettings(entities);
  const { env, mistakes } = readSecretFiles(from, names, (path) => readFileSync(path, "utf8"));
  if (mistakes.length > 0) throw new SettingsError(mistakes);
  return new Map(names.flatMap((name) => (env[name] ? [[name, env[name]] as const] : [])));
}

/** Sets the keys of all masks. @throws {SettingsError} for a setting without a value. */
export function useMaskKeys(entities: readonly EntityDeclaration[]): void {
  const keys = readMaskKeys(entities);
  try {
    setMaskKeys(entities, (name) => keys.get(name));
  } catch (error) {
    throw new SettingsError([error instanceof Error ? error.message : String(error)]);
  }
}
