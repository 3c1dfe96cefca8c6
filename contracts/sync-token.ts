/** What a write answers in `Sync-Token`, so that a later read elsewhere can ask for at least that state (P8). */
import type { EntityId, Version } from "./entity/document.ts";
import { RequestError } from "./errors.ts";

/** The least version that a reader wants to see of one entity. */
export interface TokenEntry {
  readonly plural: string;
  readonly id: EntityId;
  readonly version: Version;
}

/** Most entities that one token covers: some 6 kB of header. */
export const MAX_TOKEN_ENTRIES = 100;

const FORMAT = "1";
const entry = /^([a-z][A-Za-z0-9]{0,62}):([0-9a-f-]{36}):([1-9]\d{0,14})$/;

/**
 * Opaque to clients; says only what the client already knows, so forging one gains nothing but a wait.
 *
 * @throws {RequestError} MALFORMED for more than {@link MAX_TOKEN_ENTRIES} entities.
 */
export function encodeSyncToken(seen: readonly TokenEntry[]): string {
  const newest = newestOf(seen);
  if (newest.length > MAX_TOKEN_ENTRIES)
    throw malformed(
      `covers more than ${MAX_TOKEN_ENTRIES} entities: leave out tokens of what you have seen in every replica`,
    );
  const entries = newest.map(({ plural, id, version }) => `${plural}:${id}:${version}`);
  return Buffer.from(`${FORMAT};${entries.join(",")}`).toString("base64url");
}

/**
 * Reads the header `Sync-Token`: one token, or several separated by commas.
 *
 * @returns each entity once, with the newest version that is asked for.
 * @throws {RequestError} MALFORMED when one is no token that a write gave, or they cover more than {@link MAX_TOKEN_ENTRIES} entities.
 */
export function decodeSyncTokens(header: string | undefined): TokenEntry[] {
  if (header === undefined) return [];
  const newest = newestOf(header.split(",").flatMap((token) => decode(token.trim())));
  if (newest.length > MAX_TOKEN_ENTRIES) throw malformed(`covers more than ${MAX_TOKEN_ENTRIES} entities`);
  return newest;
}

function decode(token: string): TokenEntry[] {
  const [format, entries] = Buffer.from(token, "base64url").toString().split(";");
  if (format !== FORMAT || !entries) throw malformed("is not one that a write gave");
  return entries.split(",").map((text) => {
    const [, plural, id, version] = entry.exec(text) ?? [];
    if (!plural || !id || !version) throw malformed("is not one that a write gave");
    return { plural, id, version: Number(version) };
  });
}

function newestOf(seen: readonly TokenEntry[]): TokenEntry[] {
  const newest = new Map<string, TokenEntry>();
  for (const one of seen) {
    const key = `${one.plural}:${one.id}`;
    if (one.version > (newest.get(key)?.version ?? 0)) newest.set(key, one);
  }
  return [...newest.values()];
}

const malformed = (detail: string) =>
  new RequestError("MALFORMED", `The header Sync-Token ${detail}.`, {
    violations: [{ pointer: "Sync-Token", detail }],
  });
