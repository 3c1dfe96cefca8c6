/** One entity by its id: from the cache, or from PostgreSQL, which then fills the cache. */

import type { CacheEntry } from "../../contracts/cache-entry.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { SingleFlight } from "../../platform/async/single-flight.ts";
import type { Bypass, Cache } from "../cache/cache.ts";
import type { Epoch } from "../cache/epoch.ts";
import type { Rows } from "./rows.ts";

export type CacheOutcome =
  | { readonly result: "hit" }
  | { readonly result: "miss"; readonly stored: boolean; readonly collapsed: boolean }
  | { readonly result: "bypass"; readonly why: Bypass };

export interface LookupResult {
  /** Undefined: never heard of. */
  readonly entry: CacheEntry | undefined;
  readonly how: CacheOutcome;
}

export class Lookup {
  private readonly flights = new SingleFlight<{ entry: CacheEntry | undefined; stored: boolean }>();

  constructor(
    private readonly cache: Cache,
    private readonly rows: Pick<Rows, "one">,
  ) {}

  /** Never older than what PostgreSQL had committed when this was called (P7). @throws {LockstepError} UNAVAILABLE */
  async find(id: EntityId): Promise<LookupResult> {
    const look = await this.cache.lookup(id);
    if (look.at === "hit") return { entry: look.entry, how: { result: "hit" } };
    const epoch = look.at === "miss" ? look.epoch : undefined;
    const { result, shared } = await this.flights.run(id, () => this.load(id, epoch));
    const { entry, stored } = result;
    if (look.at === "bypass") return { entry, how: { result: "bypass", why: look.why } };
    return { entry, how: { result: "miss", stored, collapsed: shared } };
  }

  private async load(
    id: EntityId,
    epoch: Epoch | undefined,
  ): Promise<{ entry: CacheEntry | undefined; stored: boolean }> {
    const lease = epoch && (await this.cache.lease(id, epoch));
    try {
      const entry = await this.rows.one(id);
      return { entry, stored: lease !== undefined && (await this.cache.fill(lease, entry)) };
    } catch (error) {
      if (lease) void this.cache.fill(lease, undefined);
      throw error;
    }
  }
}

/** `Cache-Status` (RFC 9211). */
export function cacheStatus(how: CacheOutcome): string {
  const name = "lockstep-redis";
  switch (how.result) {
    case "hit":
      return `${name}; hit`;
    case "miss":
      return `${name}; fwd=uri-miss${how.stored ? "; stored" : ""}${how.collapsed ? "; collapsed" : ""}`;
    case "bypass":
      return `${name}; fwd=bypass; detail=${how.why}`;
    default:
      return how satisfies never;
  }
}
