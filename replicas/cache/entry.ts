/** What a cache key holds: `<epoch> <version> <body>`, or a lease (lease.lua). The body is a document's JSON text, or a mark for "not there". */
import type { Version } from "../../contracts/entity.ts";

/** What PostgreSQL had for an id: a document's JSON text, or nothing, as of a version. */
export interface Entry {
  readonly version: Version;
  /** Null: there is no such entity, or no more. */
  readonly body: string | null;
}

const ABSENT = "-";

export const bodyOf = (entry: Entry): string => entry.body ?? ABSENT;

/** The entry, if it is one and of this epoch. */
export function parseEntry(raw: string | null, epoch: number): Entry | undefined {
  if (raw === null) return undefined;
  const first = raw.indexOf(" ");
  const second = raw.indexOf(" ", first + 1);
  if (second < 0 || raw.slice(0, first) !== String(epoch)) return undefined;
  const body = raw.slice(second + 1);
  return { version: Number(raw.slice(first + 1, second)), body: body === ABSENT ? null : body };
}
