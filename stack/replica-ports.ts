/**
 * Which ports the replicas of a project have. `lockstep.ports.json` beside `lockstep.config.ts` records them, like a
 * lockfile: a replica keeps its ports when entities and replicas are reordered, added or removed.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Project } from "../contracts/project.ts";
import { MAX_REPLICAS, REPLICA_OFFSETS } from "./layout.ts";
import { UsageError } from "./options.ts";

/** Distance of a replica's port from the base, by the replica's name. In the order of declaration. */
export type ReplicaOffsets = ReadonlyMap<string, number>;

/** Name of the file in the project's folder. */
export const PORTS_FILE = "lockstep.ports.json";

/**
 * The recorded offsets. A replica that is not recorded gets the first free one, in the order of declaration. A replica
 * that is no longer declared keeps its record, so its ports go to no other replica.
 *
 * @throws {UsageError} when the record is wrong, or has more replicas than there are ports for.
 */
export function assignOffsets(
  replicaNames: readonly string[],
  recorded: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  const offsets: Record<string, number> = { ...recorded };
  for (const name of replicaNames) {
    if (Object.hasOwn(offsets, name)) continue;
    const free = REPLICA_OFFSETS.find((offset) => !Object.values(offsets).includes(offset));
    if (free === undefined)
      throw new UsageError(
        `one stack has ports for ${MAX_REPLICAS} replicas, and ${name} is one more; remove replicas that are no longer declared from ${PORTS_FILE}`,
      );
    offsets[name] = free;
  }
  return offsets;
}

/**
 * The offsets of a project's replicas. Reads the record and changes nothing.
 *
 * @throws {UsageError} as {@link assignOffsets}.
 */
export function replicaOffsets(project: Pick<Project, "replicaNames" | "folder">): ReplicaOffsets {
  const offsets = assignOffsets(project.replicaNames, readOffsets(project.folder));
  return new Map(project.replicaNames.map((name) => [name, offsets[name] as number]));
}

/** Records the offsets of replicas that are new. In a folder that this user may not write to, nothing is recorded. */
export function recordOffsets({ replicaNames, folder }: Pick<Project, "replicaNames" | "folder">): void {
  const recorded = readOffsets(folder);
  const offsets = assignOffsets(replicaNames, recorded);
  if (Object.keys(offsets).length === Object.keys(recorded).length) return;
  try {
    writeFileSync(join(folder, PORTS_FILE), portsText(offsets));
  } catch {
    // Without a record, the ports follow from the order of declaration.
  }
}

/** Content of the file. */
export const portsText = (offsets: Readonly<Record<string, number>>): string => `${JSON.stringify(offsets, null, 2)}\n`;

/** The record of a folder. Empty: there is none. @throws {UsageError} when the record is wrong. */
export function readOffsets(folder: string): Readonly<Record<string, number>> {
  const file = join(folder, PORTS_FILE);
  if (!existsSync(file)) return {};
  const wrong = (reason: string) => new UsageError(`${file}: ${reason}; correct it, or remove the file`);
  let offsets: Record<string, number>;
  try {
    offsets = JSON.parse(readFileSync(file, "utf8")) as Record<string, number>;
  } catch (error) {
    throw wrong(`it is not JSON (${(error as Error).message})`);
  }
  const allowed: readonly number[] = REPLICA_OFFSETS;
  for (const [name, offset] of Object.entries(offsets))
    if (!allowed.includes(offset)) throw wrong(`the port of ${name} must be one of ${allowed.join(", ")}`);
  if (new Set(Object.values(offsets)).size < Object.keys(offsets).length) throw wrong("two replicas have one port");
  return offsets;
}
