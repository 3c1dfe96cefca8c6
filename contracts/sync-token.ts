/** Sync tokens: a write returns one, and a later read of a replica that sends it sees at least that write (P8). */
import { z } from "zod";
import type { EntityId, Version } from "./entity/document.ts";
import { isKeyText } from "./entity/key.ts";
import { RequestError } from "./errors.ts";

/** The lowest version of one entity that a read must see. */
export interface TokenEntry {
  readonly plural: string;
  readonly id: EntityId;
  readonly version: Version;
}

/** Maximum number of entities that one token covers. With UUIDs, a token of this size is a header of about 6 kB. */
export const MAX_TOKEN_ENTRIES = 100;

/** Maximum size of the names and ids in a token of several entities: with base64url, a header of about 8 kB. */
const MAX_TOKEN_BYTES = 6_000;
/** Longest text of a version. */
const VERSION_BYTES = 16;

/** Entries as texts, for ids that are UUIDs. Releases that know no other ids read it. */
const UUID_FORMAT = "1";
const ENTRY_PATTERN = /^([a-z][A-Za-z0-9]{0,62}):([0-9a-f-]{36}):([1-9]\d{0,15})$/;
/** A JSON list of [plural, id, version], for any ids. */
const JSON_FORMAT = "2";

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
  if (newest.length > 1 && sizeOf(newest) > MAX_TOKEN_BYTES)
    throw malformed("covers too many entities with long ids; leave out tokens of writes that every replica has");
  const texts = newest.map(({ plural, id, version }) => `${plural}:${id}:${version}`);
  const text = texts.every((entry) => ENTRY_PATTERN.test(entry))
    ? `${UUID_FORMAT};${texts.join(",")}`
    : `${JSON_FORMAT};${JSON.stringify(newest.map(({ plural, id, version }) => [plural, id, version]))}`;
  return Buffer.from(text).toString("base64url");
}

/** The same for any version of these entities, so that a token that was possible before a write is so after it. */
const sizeOf = (tokenEntries: readonly TokenEntry[]): number =>
  tokenEntries.reduce((sum, { plural, id }) => sum + Buffer.byteLength(plural + id) + VERSION_BYTES, 0);

/**
 * Reads the header `Sync-Token`: one token, or several separated by commas.
 *
 * @returns each entity once, with its newest version.
 * @throws {RequestError} MALFORMED for a token that no write returned, and for more than {@link MAX_TOKEN_ENTRIES}
 * entities.
 */
export function decodeSyncTokens(header: string | undefined): readonly TokenEntry[] {
  if (header === undefined) return [];
  const newest = newestOf(header.split(",").flatMap((token) => decode(token.trim())));
  if (newest.length > MAX_TOKEN_ENTRIES) throw malformed(`covers more than ${MAX_TOKEN_ENTRIES} entities`);
  return newest;
}

function decode(token: string): TokenEntry[] {
  const text = Buffer.from(token, "base64url").toString();
  const content = text.slice(2);
  const tokenEntries =
    text.startsWith(`${UUID_FORMAT};`) && content !== ""
      ? content.split(",").map(entryOfText)
      : entriesOfJson(text.startsWith(`${JSON_FORMAT};`) ? content : "");
  if (tokenEntries.includes(undefined)) throw malformed("contains a token that no write returned");
  return tokenEntries as TokenEntry[];
}

function entryOfText(text: string): TokenEntry | undefined {
  const [, plural, id, version] = ENTRY_PATTERN.exec(text) ?? [];
  return plural && id && Number.isSafeInteger(Number(version)) ? { plural, id, version: Number(version) } : undefined;
}

const jsonEntries = z.array(z.tuple([z.string().min(1).max(255), z.string().refine(isKeyText), z.int().min(1)])).min(1);

function entriesOfJson(text: string): (TokenEntry | undefined)[] {
  try {
    return jsonEntries.parse(JSON.parse(text)).map(([plural, id, version]) => ({ plural, id, version }));
  } catch {
    return [undefined];
  }
}

function newestOf(tokenEntries: readonly TokenEntry[]): readonly TokenEntry[] {
  if (tokenEntries.length === 1) return tokenEntries;
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
