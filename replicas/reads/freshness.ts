/**
 * Waits until this replica's PostgreSQL has at least the versions that a reader has seen elsewhere (P8).
 *
 * What this process applies is told at once; what another process of the same replica applies is found by asking the database,
 * for all who wait in one statement.
 */
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import { RequestError } from "../../contracts/errors.ts";
import type { TokenEntry } from "../../contracts/sync-token.ts";

const ASK_EVERY_MS = 50;
/** Readers that may wait at a time; more are turned away (P14). */
export const MAX_WAITING = 2_000;

type RequiredVersion = Pick<TokenEntry, "id" | "version">;

class Waiting {
  readonly left: Map<EntityId, Version>;
  readonly reached = Promise.withResolvers<boolean>();

  constructor(wanted: readonly RequiredVersion[]) {
    this.left = new Map(wanted.map(({ id, version }) => [id, version]));
  }

  saw(id: EntityId, version: Version): void {
    const wanted = this.left.get(id);
    if (wanted === undefined || version < wanted) return;
    this.left.delete(id);
    if (this.left.size === 0) this.reached.resolve(true);
  }
}

/** Readers of one entity who wait, at most {@link MAX_WAITING} of them. */
export class Freshness {
  private readonly waiting = new Set<Waiting>();
  private timer: Timer | undefined;
  private asking = false;

  /** @param behind those of the wanted versions that the database does not have yet. */
  constructor(private readonly behind: (wanted: readonly RequiredVersion[]) => Promise<readonly RequiredVersion[]>) {}

  /** Readers that wait. */
  get size(): number {
    return this.waiting.size;
  }

  /** These versions, or newer ones, are committed. */
  applied(changes: readonly RequiredVersion[]): void {
    for (const waiting of this.waiting) for (const { id, version } of changes) waiting.saw(id, version);
  }

  /**
   * Resolves with true once all wanted versions, or newer ones, are committed; with false when the time is up.
   *
   * @throws {RequestError} UNAVAILABLE when the database is away, or too many wait already.
   */
  async reached(wanted: readonly RequiredVersion[], timeoutMs: number): Promise<boolean> {
    if (this.waiting.size >= MAX_WAITING)
      throw new RequestError("UNAVAILABLE", `${MAX_WAITING} reads wait for newer data already; try again in a moment.`);
    // First: what is applied while the database is asked must not be missed.
    const waiting = new Waiting(wanted);
    this.waiting.add(waiting);
    let timer: Timer | undefined;
    try {
      if ((await this.behind(wanted)).length === 0) return true;
      if (timeoutMs <= 0) return waiting.left.size === 0;
      timer = setTimeout(() => waiting.reached.resolve(false), timeoutMs);
      this.timer ??= setInterval(() => void this.ask(), ASK_EVERY_MS);
      return await waiting.reached.promise;
    } finally {
      clearTimeout(timer);
      this.waiting.delete(waiting);
      if (this.waiting.size === 0) {
        clearInterval(this.timer);
        this.timer = undefined;
      }
    }
  }

  private async ask(): Promise<void> {
    if (this.asking) return;
    this.asking = true;
    try {
      const wanted = [...this.waiting].flatMap(({ left }) => [...left].map(([id, version]) => ({ id, version })));
      const behind = new Set((await this.behind(wanted)).map(({ id, version }) => `${id} ${version}`));
      this.applied(wanted.filter(({ id, version }) => !behind.has(`${id} ${version}`)));
    } catch {
      // The database is away: the next round asks again, and whoever waits has a time of their own.
    } finally {
      this.asking = false;
    }
  }
}
