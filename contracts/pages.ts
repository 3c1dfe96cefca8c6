/** Cursor pages: a page names where the next one starts, so that rows that come and go shift nothing. Pure. */
import { ID_PATTERN } from "./entity/document.ts";
import { RequestError } from "./errors.ts";

export const DEFAULT_PAGE_SIZE = 20;
export const MAX_PAGE_SIZE = 100;

export interface PageRequest {
  /** Id that the page starts after; undefined for the first page. */
  readonly after: string | undefined;
  readonly limit: number;
}

/** Whether a path segment can be an id at all: anything else is simply not there. */
export const isId = (text: string): boolean => ID_PATTERN.test(text);

/** @throws {RequestError} MALFORMED for a limit outside 1 to {@link MAX_PAGE_SIZE}, or a cursor that no page gave. */
export function parsePageRequest(query: Readonly<Record<string, string>>): PageRequest {
  const limit = Number(query.limit ?? DEFAULT_PAGE_SIZE);
  if (!/^\d{1,3}$/.test(query.limit ?? "1") || limit < 1 || limit > MAX_PAGE_SIZE)
    throw wrong("limit", `must be a whole number from 1 to ${MAX_PAGE_SIZE}`);
  if (query.cursor === undefined) return { after: undefined, limit };
  const after = Buffer.from(query.cursor, "base64url").toString();
  if (!isId(after)) throw wrong("cursor", "is not one that a page gave as nextCursor");
  return { after, limit };
}

const wrong = (parameter: string, detail: string) =>
  new RequestError("MALFORMED", `The query parameter ${parameter} ${detail}.`, {
    violations: [{ pointer: parameter, detail }],
  });

/** The page for rows that were read with one more than the limit: the surplus row only tells that there is a next page. */
export function toPage<T extends { readonly id?: unknown }>(
  rows: readonly T[],
  limit: number,
): { items: readonly T[]; nextCursor: string | null } {
  const items = rows.slice(0, limit);
  const last = rows.length > limit ? items.at(-1) : undefined;
  return { items, nextCursor: last ? Buffer.from(String(last.id)).toString("base64url") : null };
}
