/** Pages of a list. A cursor names an id, so inserted and deleted rows do not shift the next page. Pure. */
import type { EntityId } from "./entity/document.ts";
import { type KeyedEntity, readKey } from "./entity/key.ts";
import { RequestError } from "./errors.ts";

/** Items of a page without a `limit`. */
export const DEFAULT_PAGE_SIZE = 20;
/** Upper bound of `limit`. */
export const MAX_PAGE_SIZE = 100;

/** The page that a request asks for. */
interface PageRequest {
  /** The page starts after this id; undefined for the first page. */
  readonly after: EntityId | undefined;
  readonly limit: number;
}

/**
 * Reads the query parameters `limit` and `cursor` of a list of entities.
 *
 * @throws {RequestError} MALFORMED as {@link parseLimit}, and for a cursor that no page returned.
 */
export function parsePageRequest(query: Readonly<Record<string, string>>, entity: KeyedEntity): PageRequest {
  const limit = parseLimit(query.limit);
  if (query.cursor === undefined) return { after: undefined, limit };
  const after = Buffer.from(query.cursor, "base64url").toString();
  const isCanonical = Buffer.from(after).toString("base64url") === query.cursor;
  if (!isCanonical || readKey(entity, after) !== after) throw malformed("cursor", "must be the nextCursor of a page");
  return { after, limit };
}

/**
 * Reads the query parameter `limit`. Missing: {@link DEFAULT_PAGE_SIZE}.
 *
 * @throws {RequestError} MALFORMED for a limit outside 1 to {@link MAX_PAGE_SIZE}.
 */
export function parseLimit(text: string | undefined): number {
  const limit = Number(text ?? DEFAULT_PAGE_SIZE);
  if (!/^\d{1,3}$/.test(text ?? "1") || limit < 1 || limit > MAX_PAGE_SIZE)
    throw malformed("limit", `must be a whole number from 1 to ${MAX_PAGE_SIZE}`);
  return limit;
}

const malformed = (parameter: string, detail: string) =>
  new RequestError("MALFORMED", `The query parameter ${parameter} ${detail}.`, {
    violations: [{ pointer: parameter, detail }],
  });

/**
 * Makes a page of rows.
 *
 * @param rows up to `limit` + 1 rows. The last one shows that there is a next page.
 * @param idOf the id of an item.
 */
export function toPage<T extends object>(
  rows: readonly T[],
  limit: number,
  idOf: (item: T) => EntityId,
): { items: readonly T[]; nextCursor: string | null } {
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items, nextCursor: last ? Buffer.from(idOf(last)).toString("base64url") : null };
}
