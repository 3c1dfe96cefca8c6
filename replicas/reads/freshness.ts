/**
 * Lets reads wait until this replica's PostgreSQL has the versions in their `Sync-Token` (P8).
 *
 * Applies of this process notify the waiting reads at once. Applies of the replica's other processes are found by a
 * query, one for all waiting reads, every 50 ms.
 */
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import { RequestError } from "../../contracts/errors.ts";
import type { TokenEntry } from "../../contracts/sync-token.ts";
import { settlesWithin } from "../../platform/async/timeout.ts";

const POLL_INTERVAL_MS = 50;
/** Reads of one entity that may wait at the same time; more are answered 503 (P14). */
export const MAX_WAITING = 2_000;

type RequiredVersion = Pick<TokenEntry, "id" | "version">;

/** A read that waits for versions. */
class WaitingRead {
  readonly missing: Map<EntityId, Version>;
  readonly complete = Promise.withResolvers<void>();

  constructor(required: readonly RequiredVersion[]) {
    this.missing = new Map(required.map(({ id, version }) => [id, version]));
  }

  onApplied(id: EntityId, version: Version): void {
    const required = this.missing.get(id);
    if (required === undefined || version < required) return;
    this.missing.delete(id);
    if (this.missing.size === 0) this.complete.resolve();
  }
}

/** The waiting reads of one entity. */
export class Freshness {
  private readonly waiting = new Set<WaitingRead>();
  private timer: Timer | undefined;
  private polling = false;

  /** @param behind resolves with those versions that the database does not have yet. */
  constructor(private readonly behind: (required: readonly RequiredVersion[]) => Promise<readonly RequiredVersion[]>) {}

  /** Number of waiting reads. */
  get size(): number {
    return this.waiting.size;
  }

  /** This process has committed these versions, or newer ones. */
  onApplied(changes: readonly RequiredVersion[]): void {
    for (const read of this.waiting) for (const { id, version } of changes) read.onApplied(id, version);
  }

  /**
   * Waits until the database has all required versions, or newer ones.
   *
   * @returns false when it does not have them after `timeoutMs`.
   * @throws {RequestError} UNAVAILABLE when the database does not respond, or {@link MAX_WAITING} reads wait already.
   */
  async waitFor(required: readonly RequiredVersion[], timeoutMs: number): Promise<boolean> {
    if (this.waiting.size >= MAX_WAITING)
      throw new RequestError("UNAVAILABLE", `${MAX_WAITING} reads already wait for newer data; retry in a moment.`);
    // Registered before the query, so that versions applied during the query are not missed.
    const read = new WaitingRead(required);
    this.waiting.add(read);
    try {
      if ((await this.behind(required)).length === 0) return true;
      if (timeoutMs <= 0) return read.missing.size === 0;
      this.timer ??= setInterval(() => void this.poll(), POLL_INTERVAL_MS);
      return await settlesWithin(read.complete.promise, timeoutMs);
    } finally {
      this.waiting.delete(read);
      if (this.waiting.size === 0) {
        clearInterval(this.timer);
        this.timer = undefined;
      }
    }
  }

  private async poll(): Promise<void> {
    if (this.polling) return;
    this.polling = true;
    try {
      const required = [...this.waiting].flatMap(({ missing }) =>
        [...missing].map(([id, version]) => ({ id, version })),
      );
      const behind = new Set((await this.behind(required)).map(({ id, version }) => `${id} ${version}`));
      this.onApplied(required.filter(({ id, version }) => !behind.has(`${id} ${version}`)));
    } catch {
      // The database is unavailable: the next poll queries again, and each read ends at its own timeout.
    } finally {
      this.polling = false;
    }
  }
}
