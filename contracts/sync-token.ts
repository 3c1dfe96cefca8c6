/** Sync tokens: a write returns one, and a later read of a replica that sends it sees at least that write (P8). */
import type { EntityId, Version } from "./entity/document.ts";
import { RequestError } from "./errors.ts";

/** The lowest version of one entity that a read must see. */
export interface TokenEntry {
  readonly plural: string;
  readonly id: EntityId;
  readonly version: Version;
}

/** Maximum number of entities that one token covers. A token of this size is a header of about 6 kB. */
export const MAX_TOKEN_ENTRIES = 100;

const FORMAT = "1";
const ENTRY_PATTERN = /^([a-z][A-Za-z0-9]{0,62}):([0-9a-f-]{36}):([1-9]\d{0,15})$/;

/**
 * Makes one token of entries; the newest version of each entity counts. A token is opaque to clients. It contains only
 * what its client knows already, so a forged token can only make its own read wait.
 *
 * @throws {RequestError} MALFORMED for more than {@link MAX_TOKEN_ENTRIES} entities.
 */
export function encodeSyncToken(tokenEntries: readonly TokenEntry[]): string {
  const newest = newestOf(tokenEntries);
  if (newest.length > MAX_TOKEN_ENTRIES)
    throw malformed(
      `covers more than ${MAX_TOKEN_ENTRIES} entities; leave out tokens of writes that every replica has`,
    );
  const entries = newest.map(({ plural, id, version }) => `${plural}:${id}:${version}`);
  return Buffer.from(`${FORMAT};${entries.join(",")}`).toString("base64url");
}

/**
 * Reads the header `Sync-Token`: one token, or several separated by commas.
 *
 * @returns each entity once, with its newest version.
 * @throws {RequestError} MALFORMED for a token that no write returned, and for more than {@link MAX_TOKEN_ENTRIES}
 * entities.
 */
export function decodeSyncTokens(header: string | undefined): TokenEntry[] {
  if (header === undefined) return [];
  const newest = newestOf(header.split(",").flatMap((token) => decode(token.trim())));
  if (newest.length > MAX_TOKEN_ENTRIES) throw malformed(`covers more than ${MAX_TOKEN_ENTRIES} entities`);
  return newest;
}

function decode(token: string): TokenEntry[] {
  const [format, entries] = Buffer.from(token, "base64url").toString().split(";");
  if (format !== FORMAT || !entries) throw malformed("contains a token that no write returned");
  return entries.split(",").map((text) => {
    const [, plural, id, version] = ENTRY_PATTERN.exec(text) ?? [];
    if (!plural || !id || !Number.isSafeInteger(Number(version)))
      throw malformed("contains a token that no write returned");
    return { plural, id, version: Number(version) };
  });
}

function newestOf(tokenEntries: readonly TokenEntry[]): TokenEntry[] {
  const newest = new Map<string, TokenEntry>();
  for (const entry of tokenEntries) {
    const key = `${entry.plural}:${entry.id}`;
    if (entry.version > (newest.get(key)?.version ?? 0)) newest.set(key, entry);
  }
  return [...newest.values()];
}

const malformed = (detail: string) =>
  new RequestError("MALFORMED", `The header Sync-Token ${detail}.`, {
    violations: [{ pointer: "Sync-Token", detail }],
  });
