/** Reads that have to be as fresh as their `Sync-Token` (P8). */
import type { Context } from "hono";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId } from "../../contracts/entity/document.ts";
import { RequestError } from "../../contracts/errors.ts";
import { parsePreferWait } from "../../contracts/prefer.ts";
import { decodeSyncTokens, type TokenEntry } from "../../contracts/sync-token.ts";
import type { Metrics } from "../../observability/metrics.ts";
import type { Freshness } from "./freshness.ts";
import type { Lookup, LookupResult } from "./lookup.ts";

/** Collaborators and settings of {@link FreshReads}. */
export interface FreshReadDeps {
  readonly lookup: Lookup;
  readonly freshness: Pick<Freshness, "waitFor">;
  readonly metrics: Metrics;
  /** Wait of a read with a `Sync-Token` and without `Prefer: wait`, in milliseconds. */
  readonly waitMs: number;
  /** Longest wait that `Prefer: wait` may ask for, in milliseconds. */
  readonly maxWaitMs: number;
}

/** Waits for the versions in a request's tokens; entries of other entities are ignored. */
export class FreshReads {
  constructor(
    private readonly deps: FreshReadDeps,
    private readonly entity: EntityDeclaration,
    private readonly replica: string,
  ) {}

  /**
   * Reads an entity, at least as new as the request's tokens require for its id.
   *
   * @returns a BEHIND error when the replica does not have that version in time.
   * @throws {RequestError} MALFORMED for an invalid token or preference; UNAVAILABLE.
   */
  async find(c: Context, id: EntityId): Promise<LookupResult | RequestError> {
    const { lookup } = this.deps;
    const required = this.requiredVersions(c).find((entry) => entry.id === id);
    const found = await lookup.find(id);
    if (!required) return found;
    if ((found.entry?.version ?? 0) >= required.version) {
      this.count("fresh");
      return found;
    }
    const behind = await this.waitFor(c, [required]);
    if (behind) return behind;
    this.count("waited");
    // This read begins after the version was committed here, so it cannot be older (P7).
    return lookup.find(id);
  }

  /** Waits for all versions that the request's tokens require. @returns and @throws as {@link find} does. */
  async waitForAll(c: Context): Promise<RequestError | undefined> {
    const required = this.requiredVersions(c);
    if (required.length === 0) return undefined;
    const behind = await this.waitFor(c, required);
    if (!behind) this.count("fresh");
    return behind;
  }

  private requiredVersions(c: Context): TokenEntry[] {
    return decodeSyncTokens(c.req.header("sync-token")).filter(({ plural }) => plural === this.entity.plural);
  }

  private async waitFor(c: Context, required: readonly TokenEntry[]): Promise<RequestError | undefined> {
    const { freshness, waitMs, maxWaitMs } = this.deps;
    const prefer = parsePreferWait(c.req.header("prefer"), maxWaitMs);
    if (prefer) c.header("preference-applied", prefer.applied);
    const timeoutMs = prefer?.ms ?? waitMs;
    if (await freshness.waitFor(required, timeoutMs)) return undefined;
    this.count("behind");
    const [first] = required;
    const what =
      required.length === 1
        ? `version ${first!.version} of ${this.entity.name} ${first!.id}`
        : "all versions of the Sync-Token";
    return new RequestError(
      "BEHIND",
      `This replica does not have ${what} after ${timeoutMs} ms. Retry, or wait longer with Prefer: wait=N.`,
    );
  }

  private count(outcome: "fresh" | "waited" | "behind"): void {
    this.deps.metrics.freshReads.inc({ replica: this.replica, outcome });
  }
}
