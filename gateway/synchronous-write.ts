/** The response headers of a write: `Sync-Token` (P8), `Idempotency-Replayed`, and those of `Prefer: wait`. */
import type { Context } from "hono";
import type { EntityDeclaration } from "../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../contracts/entity/document.ts";
import { RequestError } from "../contracts/errors.ts";
import { parsePreferWait, type WaitPreference } from "../contracts/prefer.ts";
import { decodeSyncTokens, encodeSyncToken, type TokenEntry } from "../contracts/sync-token.ts";
import type { Metrics } from "../observability/metrics.ts";
import type { Confirmation, Confirmations, ReceiptListener, ReceiptSubscription } from "./receipt-listener.ts";

/** Collaborators and limit of {@link SynchronousWrite}. */
export interface SynchronousWriteDeps {
  readonly receipts: Pick<ReceiptListener, "subscribe">;
  readonly metrics: Metrics;
  /** Upper bound of `Prefer: wait`, in milliseconds. */
  readonly maxWaitMs: number;
}

/** The headers of one write: those of the request before its statement, those of the response after its commit. */
export class SynchronousWrite implements Disposable {
  /** Headers of the response, see {@link afterCommit}. */
  readonly headers: Record<string, string> = {};

  private constructor(
    private readonly entity: EntityDeclaration,
    private readonly deps: SynchronousWriteDeps,
    private readonly requestTokens: readonly TokenEntry[],
    private readonly wait: WaitPreference | undefined,
    private readonly subscription: ReceiptSubscription | undefined,
  ) {}

  /**
   * Reads the request's headers and subscribes to receipts. It runs before the statement, so an error changes nothing.
   * A log that is unavailable does not reject the write.
   *
   * @throws {RequestError} MALFORMED for a `Sync-Token` that no write returned, for one that covers too many entities,
   * or for an undeclared replica in `Prefer`.
   */
  static prepare(c: Context, entity: EntityDeclaration, id: EntityId, deps: SynchronousWriteDeps): SynchronousWrite {
    const requestTokens = decodeSyncTokens(c.req.header("sync-token"));
    // The response's token also covers this write. Encoding it now rejects a token that is too large before the write.
    if (requestTokens.length > 0) encodeSyncToken([...requestTokens, { plural: entity.plural, id, version: 1 }]);
    const prefer = c.req.header("prefer");
    const wait = prefer === undefined ? undefined : parsePreferWait(prefer, deps.maxWaitMs);
    for (const name of wait?.replicas ?? [])
      if (!entity.replicas.some((replica) => replica.name === name)) throw unknownReplica(entity, name);
    const subscription = wait && deps.receipts.subscribe();
    return new SynchronousWrite(entity, deps, requestTokens, wait, subscription);
  }

  /**
   * Sets the response's headers after the commit, and waits for the replicas when the request asks for it. The write
   * stays committed, whatever the replicas do.
   *
   * @param replayed true when an earlier request made the write. Its receipts have already passed, so we do not wait.
   * @returns undefined when the write does not wait.
   */
  afterCommit(id: EntityId, version: Version, replayed: boolean): Promise<void> | undefined {
    const { entity, headers, requestTokens, wait } = this;
    headers["sync-token"] = encodeSyncToken([...requestTokens, { plural: entity.plural, id, version }]);
    if (replayed) {
      headers["idempotency-replayed"] = "true";
      this.deps.metrics.replayedWrites.inc();
    } else if (wait)
      return this.waitForReplicas(wait, id, version).then((confirmations) => this.reportWait(wait, confirmations));
    return undefined;
  }

  /** Ends the subscription to receipts. */
  [Symbol.dispose](): void {
    this.subscription?.[Symbol.dispose]();
  }

  private async waitForReplicas(wait: WaitPreference, id: EntityId, version: Version): Promise<Confirmations> {
    const replicas = wait.replicas ?? this.entity.replicas.map(({ name }) => name);
    // Too many writes wait already, so this one does not.
    if (!this.subscription) return new Map(replicas.map((name) => [name, { outcome: "unknown" }]));
    return await this.subscription.waitForReplicas(this.entity.name, id, version, replicas, wait.ms);
  }

  private reportWait(wait: WaitPreference, confirmations: Confirmations): void {
    this.headers["preference-applied"] = wait.applied;
    // A list with parameters (RFC 9651): `catalog;ms=12, storefront;behind`.
    const items = [...confirmations].map(([name, confirmation]) => `${name};${parameterOf(confirmation)}`);
    this.headers["lockstep-replicas"] = items.join(", ");
    for (const [replica, { outcome }] of confirmations) this.deps.metrics.confirmations.inc({ replica, outcome });
  }
}

const parameterOf = (confirmation: Confirmation): string =>
  confirmation.outcome === "confirmed" ? `ms=${confirmation.latencyMs}` : confirmation.outcome;

function unknownReplica(entity: EntityDeclaration, name: string): RequestError {
  const replicas = entity.replicas.map((replica) => replica.name).join(", ");
  const named = JSON.stringify(name.slice(0, 64));
  const detail = `names the replica ${named}, but the replicas of ${entity.plural} are: ${replicas}`;
  return new RequestError("MALFORMED", `The header Prefer ${detail}.`, {
    violations: [{ pointer: "Prefer", detail }],
  });
}
