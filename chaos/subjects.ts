/** Names of what faults act on. All systems use the same, so that a schedule holds a subject for one fault at a time. */

/** The source's PostgreSQL. */
export const SOURCE_SUBJECT = "gateway-db";
/** A replica's PostgreSQL. */
export const replicaSubject = (replica: string): string => `${replica}-db`;
/** The cache's server. */
export const REDIS_SUBJECT = "redis";
