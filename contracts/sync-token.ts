/** What a write answers in `Sync-Token`, so that a later read elsewhere can ask for at least that state (P8). */
import type { EntityId, Version } from "./entity.ts";

/** Opaque to clients; says only what the client already knows, so forging one gains nothing. */
export const encodeSyncToken = (plural: string, id: EntityId, version: Version): string =>
  Buffer.from(`1:${plural}:${id}:${version}`).toString("base64url");
