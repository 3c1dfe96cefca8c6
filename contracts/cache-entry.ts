/**
 * What a cache key holds: `<epoch> <version> <schema version> <body>`, or a lease (lease.lua). The body is a document's JSON text, or a
 * mark for "not there".
 */
import type { Version } from "./entity/document.ts";

/** What PostgreSQL had for an id: a document's JSON text, or nothing, as of a version. */
export interface CacheEntry {
  readonly version: Version;
  /** Null: there is no such entity, or no more. */
  readonly body: string | null;
}

/** What the keys of one entity in one replica begin with: a hash tag, so that on a cluster all of them are in one slot. */
export const cachePrefix = (replica: string, plural: string): string => `lockstep:{${replica}.${plural}}`;

const ABSENT = "-";

/** The text of an entry, which {@link decodeEntry} reads. */
export const encodeEntry = ({ version, body }: CacheEntry, epoch: number, schemaVersion: number): string =>
  `${epoch} ${version} ${schemaVersion} ${body ?? ABSENT}`;

/** The entry, if it is one, of this epoch and of this shape: during an upgrade old and new processes share the cache. */
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
