/** Reads one entity by id: from the cache, or from PostgreSQL, which then fills the cache. */
import type { CacheEntry } from "../../contracts/cache-entry.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { SingleFlight } from "../../platform/async/single-flight.ts";
import type { Bypass, Cache } from "../cache/cache.ts";
import type { Epoch } from "../cache/epoch.ts";
import type { Rows } from "./rows.ts";

/** What the cache did for a read. */
export type CacheOutcome =
  | { readonly result: "hit" }
  /** `stored`: the cache has the entry now. `collapsed`: another read had already requested the same query. */
  | { readonly result: "miss"; readonly stored: boolean; readonly collapsed: boolean }
  | { readonly result: "bypass"; readonly why: Bypass };

/** Result of a read by id. */
export interface LookupResult {
  /** Undefined: no event of this id was ever applied here. */
  readonly entry: CacheEntry | undefined;
  readonly outcome: CacheOutcome;
}

/** Reads by id of one entity. */
export class Lookup {
  private readonly flights = new SingleFlight<{ entry: CacheEntry | undefined; stored: boolean }>();

  constructor(
    private readonly cache: Cache,
    private readonly rows: Pick<Rows, "one">,
  ) {}

  /**
   * Reads an entity.
   *
   * @returns a result that is not older than what PostgreSQL had committed at the time of the call (P7).
   * @throws {RequestError} UNAVAILABLE when it is not in the cache and PostgreSQL does not respond.
   */
  async find(id: EntityId): Promise<LookupResult> {
    const lookup = await this.cache.lookup(id);
    if (lookup.result === "hit") return { entry: lookup.entry, outcome: { result: "hit" } };
    const epoch = lookup.result === "miss" ? lookup.epoch : undefined;
    const { result, shared } = await this.flights.run(id, () => this.load(id, epoch));
    const { entry, stored } = result;
    if (lookup.result === "bypass") return { entry, outcome: { result: "bypass", why: lookup.why } };
    return { entry, outcome: { result: "miss", stored, collapsed: shared } };
  }

  /** The lease is taken before PostgreSQL is read, so that a fence in between prevents the fill. */
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

/** The value of `Cache-Status` (RFC 9211). */
export function cacheStatus(outcome: CacheOutcome): string {
  const name = "lockstep-redis";
  switch (outcome.result) {
    case "hit":
      return `${name}; hit`;
    case "miss":
      return `${name}; fwd=uri-miss${outcome.stored ? "; stored" : ""}${outcome.collapsed ? "; collapsed" : ""}`;
    case "bypass":
      return `${name}; fwd=bypass; detail=${outcome.why}`;
    default:
      return outcome satisfies never;
  }
}
