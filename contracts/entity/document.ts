/** Identity, version and content of an entity: the words that every room uses. */

/** A counter that the source raises by one with each committed write of an entity; the first write is version 1. */
export type Version = number;

/** UUID of an entity, lower case. The gateway makes UUIDv7 (RFC 9562); plain SQL may bring any UUID. */
export type EntityId = string;
/** The form of every id: a UUID as PostgreSQL writes it, in lower case (RFC 9562). */
export const ID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** What an entity looks like outside a database: camelCase members with JSON values. */
export type Document = Record<string, unknown>;
