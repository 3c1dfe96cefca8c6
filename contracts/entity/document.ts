/** The identity, version and content of an entity, as every room uses them. */

/** Number of an entity's committed writes in the source, without gaps. The first write has version 1. */
export type Version = number;

/** Canonical text of an entity's key (key.ts): a UUID in lower case, `42`, or `42,7` for a key of two columns. */
export type EntityId = string;

/** A UUID (RFC 9562) as PostgreSQL writes it: lower case, with hyphens. */
export const ID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The state of an entity outside a database: camelCase members with JSON values. */
export type Document = Record<string, unknown>;
