/** Cursor of a list in the order of ids: opaque to clients, so that the order may change its key one day. */
import type { EntityId } from "../../contracts/entity.ts";

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The id in the form in which it is stored, or undefined when it is none. RFC 9562 asks to accept upper case. */
export const parseId = (text: string): EntityId | undefined => {
  const id = text.toLowerCase();
  return uuid.test(id) ? id : undefined;
};

export const encodeCursor = (last: EntityId): string => Buffer.from(`id:${last}`).toString("base64url");

/** The id to go on after, or undefined when no server made this cursor. */
export const decodeCursor = (cursor: string): EntityId | undefined => {
  const text = Buffer.from(cursor, "base64url").toString();
  const id = text.startsWith("id:") ? parseId(text.slice(3)) : undefined;
  return id && encodeCursor(id) === cursor ? id : undefined;
};
