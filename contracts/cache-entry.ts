/**
 * The value of a key in a replica's cache: `<epoch> <version> <schema version> <body>`, or a lease (lease.lua). The
 * body is the JSON text of a document, or `-` for an entity that does not exist.
 */
import type { EntityDeclaration } from "./entity/declaration.ts";
import type { EntityId, Version } from "./entity/document.ts";
import { isKeyText } from "./entity/key.ts";
import { qualify } from "./project.ts";

/** A cached read of one id from the replica's PostgreSQL. */
export interface CacheEntry {
  readonly version: Version;
  /** JSON text of the document; null when the entity does not exist or is deleted. */
  readonly body: string | null;
}

/** Prefix of an entity's keys in one replica: a hash tag, so that a Redis cluster keeps them in one slot. */
export const cachePrefix = (replica: string, entity: Pick<EntityDeclaration, "namespace" | "plural">): string =>
  `lockstep:{${qualify(entity, `${replica}.${entity.plural}`)}}`;

/** The key of an entry. */
export const entryKey = (prefix: string, id: EntityId): string => `${prefix}:${id}`;

/** The id of an entry; undefined for any other key with the prefix. */
export function idOfEntryKey(prefix: string, key: string): EntityId | undefined {
  const id = key.startsWith(`${prefix}:`) ? key.slice(prefix.length + 1) : "";
  return isKeyText(id) ? id : undefined;
}

/** The key of the cache's state. An entity whose key is a text may have any id, so no entry has such a key. */
export const stateKey = (prefix: string): string => `${prefix}.state`;

const ABSENT = "-";

/** The text of an entry. {@link decodeEntry} reads it. */
export const encodeEntry = ({ version, body }: CacheEntry, epoch: number, schemaVersion: number): string =>
  `${epoch} ${version} ${schemaVersion} ${body ?? ABSENT}`;

/**
 * Reads an entry.
 *
 * @returns undefined for a lease, and for an entry of another epoch or schema version. During an upgrade, processes
 * with different schema versions share the cache.
 */
export function decodeEntry(raw: string | null, epoch: number, schemaVersion: number): CacheEntry | undefined {
  if (raw === null) return undefined;
  const first = raw.indexOf(" ");
  const second = raw.indexOf(" ", first + 1);
  const third = raw.indexOf(" ", second + 1);
  if (second < 0 || third < 0 || raw.slice(0, first) !== String(epoch)) return undefined;
  if (raw.slice(second + 1, third) !== String(schemaVersion)) return undefined;
  const body = raw.slice(third + 1);
  return { version: Number(raw.slice(first + 1, second)), body: body === ABSENT ? null : body };
}
