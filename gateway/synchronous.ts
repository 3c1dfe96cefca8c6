/** What a write's client asks for and is told beyond the write itself: `Sync-Token`, and `Prefer: wait` until replicas have it. */
import type { Context } from "hono";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../contracts/entity/document.ts";
import { RequestError } from "../contracts/errors.ts";
import { preferredWait, type Wait } from "../contracts/prefer.ts";
import { decodeSyncTokens, encodeSyncToken, type TokenEntry } from "../contracts/sync-token.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Listening, ReceiptListener } from "./confirmations.ts";

/** Longest that a write is held up to listen for receipts first. */
const LISTEN_MS = 500;

export interface SynchronousWriteDeps {
  readonly confirmations: Pick<ReceiptListener, "listen">;
  readonly metrics: Metrics;
  /** Bound of `Prefer: wait`, in milliseconds. */
  readonly maxWaitMs: number;
}

/** One write from before it is carried out to its answer. */
export class SynchronousWrite implements Disposable {
  private constructor(
    private readonly c: Context,
    private readonly entity: EntityDeclaration,
    private readonly deps: SynchronousWriteDeps,
    private readonly brought: readonly TokenEntry[],
    private readonly wait: Wait | undefined,
    private readonly listening: Listening | undefined,
  ) {}

  /**
   * Reads the request's wishes, and begins to listen. A write is never refused because replicas cannot be heard.
   *
   * @throws {RequestError} MALFORMED for a `Sync-Token` that no write gave, or a replica that is not declared: before anything is written.
   */
  static async begin(
    c: Context,
    entity: EntityDeclaration,
    id: EntityId,
    deps: SynchronousWriteDeps,
  ): Promise<SynchronousWrite> {
    const brought = decodeSyncTokens(c.req.header("sync-token"));
    encodeSyncToken([...brought, { plural: entity.plural, id, version: 1 }]);
    const wait = preferredWait(c.req.header("prefer"), deps.maxWaitMs);
    for (const name of wait?.replicas ?? [])
      if (!entity.replicas.some((replica) => replica.name === name)) throw unknownReplica(entity, name);
    const listening = wait && (await deps.confirmations.listen(Math.min(LISTEN_MS, wait.ms)));
    return new SynchronousWrite(c, entity, deps, brought, wait, listening);
  }

  /**
   * The write is committed: sets `Sync-Token`, and waits for the replicas if that is wished. The write stands whatever they do.
   *
   * @param again it was committed before, by an earlier request with its key: what replicas told of it then was not heard.
   */
  async committed(id: EntityId, version: Version, again = false): Promise<void> {
    const { c, entity, brought, wait } = this;
    c.header("sync-token", encodeSyncToken([...brought, { plural: entity.plural, id, version }]));
    if (again) {
      c.header("idempotency-replayed", "true");
      this.deps.metrics.replayedWrites.inc();
    }
    if (!wait || again) return;
    const replicas = wait.replicas ?? entity.replicas.map(({ name }) => name);
    const confirmed =
      (await this.listening?.confirmed(entity.name, id, version, replicas, wait.ms)) ??
      new Map<string, number | undefined>(replicas.map((name) => [name, undefined]));
    c.header("preference-applied", wait.applied);
    // A list with parameters (RFC 9651): `catalog;ms=12, storefront;behind`.
    const told = [...confirmed].map(([name, ms]) => (ms === undefined ? `${name};behind` : `${name};ms=${ms}`));
    c.header("lockstep-replicas", told.join(", "));
    for (const [replica, ms] of confirmed)
      this.deps.metrics.confirmations.inc({ replica, outcome: ms === undefined ? "behind" : "confirmed" });
  }

  [Symbol.dispose](): void {
    this.listening?.[Symbol.dispose]();
  }
}

function unknownReplica(entity: EntityDeclaration, name: string): RequestError {
  const known = entity.replicas.map((replica) => replica.name).join(", ");
  const detail = `names the replica ${JSON.stringify(name.slice(0, 64))}, but ${entity.plural} has only: ${known}`;
  return new RequestError("MALFORMED", `The header Prefer ${detail}.`, {
    violations: [{ pointer: "Prefer", detail }],
  });
}
