/** The identity, version and content of an entity, as every room uses them. */

/** Number of an entity's committed writes in the source, without gaps. The first write has version 1. */
export type Version = number;

/** UUID of an entity in lower case. The gateway creates UUIDv7 (RFC 9562); plain SQL may insert any UUID. */
export type EntityId = string;

/** A UUID (RFC 9562) as PostgreSQL writes it: lower case, with hyphens. */
export const ID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The state of an entity outside a database: camelCase members with JSON values. */
export type Document = Record<string, unknown>;
