/**
 * One entity's documents in Redis: keys, connections and scripts. README.md has the protocol and the proof.
 *
 * States of an id within an epoch:
 * - absent: readers miss. A reader may lease it.
 * - leased: a reader is reading PostgreSQL and may fill it. A fence ends the lease.
 * - fenced: one or more applies are in progress. Readers miss, and none may lease. Each applier lifts its own fence
 *   when it knows what is committed; a commit also lifts the fences of versions that are not newer.
 * - stored: has a committed version. A newer one is committed only after a fence.
 *
 * Data loss in Redis leads to absent, or to a state without an epoch, in which no script has an effect.
 */
import {
  type CacheEntry,
  cachePrefix,
  decodeEntry,
  encodeEntry,
  entryKey,
  stateKey,
} from "../../contracts/cache-entry.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import type { Logger } from "../../observability/logger.ts";
import type { RedisLink } from "../../platform/redis/redis.ts";
import type { CacheEpoch, Epoch } from "./epoch.ts";
import * as scripts from "./scripts.ts";

/** Duration of a lease. After it, a reader that died between lease and fill no longer blocks other readers. */
const READER_LEASE_MS = 10_000;
/** A larger document is not cached, because it would evict many small ones. */
const MAX_ENTRY_BYTES = 262_144;
/** Ids per script. Redis runs one script at a time, so each must take well below 1 ms. Larger ones were not cheaper. */
const CHUNK = 100;

/** Why a read bypasses the cache. README.md of the room describes each value; `Cache-Status` shows it. */
export type Bypass = "not-configured" | "away" | "off" | "no-lease" | "failed";

/** What the cache has for an id. `bypass`: the cache was not used. */
export type CacheLookup =
  | { readonly result: "hit"; readonly entry: CacheEntry }
  | { readonly result: "miss"; readonly epoch: Epoch }
  | { readonly result: "bypass"; readonly why: Bypass };

/** The right to fill one id with what PostgreSQL returns to a query that starts after the lease. */
export interface ReaderLease {
  readonly id: EntityId;
  readonly epoch: Epoch;
  readonly token: string;
}

/** `moved`: the server does not have this epoch, or has a newer one. `unknown`: the script may have run or not. */
export type CacheWriteResult = "ok" | "moved" | "unknown";

interface FencedVersion {
  readonly id: EntityId;
  readonly version: Version;
}

/** A committed change to store. */
export interface StoredVersion extends FencedVersion {
  /** Undefined: PostgreSQL has a newer version, so the script only lifts the fence. */
  readonly entry: CacheEntry | undefined;
}

/** The cache of one entity. */
export class Cache {
  private tokens = 0;
  private readonly processId = crypto.randomUUID();
  private readonly prefix: string;
  private readonly schemaVersion: number;
  private readonly ttlMs: number;

  /** @param onLost called when a reader's script finds that the server does not have the epoch. */
  constructor(
    private readonly deps: {
      /** Undefined: not configured. */
      readonly redis: { readonly reads: RedisLink; readonly writes: RedisLink } | undefined;
      readonly epoch: Pick<CacheEpoch, "leaseForRead" | "holds">;
      readonly logger: Logger;
    },
    settings: {
      readonly replica: string;
      readonly entity: Pick<EntityDeclaration, "namespace" | "plural" | "schemaVersion">;
      readonly ttlSeconds: number;
    },
    private readonly onLost: (epoch: Epoch) => void = () => {},
  ) {
    this.prefix = cachePrefix(settings.replica, settings.entity);
    this.schemaVersion = settings.entity.schemaVersion;
    this.ttlMs = settings.ttlSeconds * 1_000;
  }

  /** Looks an id up. An entry is at least as new as what PostgreSQL had committed at the call. Never throws. */
  async lookup(id: EntityId): Promise<CacheLookup> {
    const { redis, epoch: epochs } = this.deps;
    if (!redis) return { result: "bypass", why: "not-configured" };
    const leased = epochs.leaseForRead();
    // A read with a lease goes on in the same turn.
    const epoch = leased instanceof Promise ? await leased : leased;
    if (!epoch) return { result: "bypass", why: "no-lease" };
    if (epoch.runId === null) return { result: "bypass", why: "off" };
    if (epoch.runId !== redis.reads.runId()) return { result: "bypass", why: "away" };
    try {
      const raw = await redis.reads.client.get(this.entryKey(id));
      const entry = decodeEntry(raw, epoch.epoch, this.schemaVersion);
      // The response may have taken longer than the lease.
      if (!epochs.holds(epoch)) return { result: "bypass", why: "no-lease" };
      return entry ? { result: "hit", entry } : { result: "miss", epoch };
    } catch {
      return { result: "bypass", why: "failed" };
    }
  }

  /** Leases an id before PostgreSQL is read. @returns undefined when the id must not be filled. Never throws. */
  async lease(id: EntityId, epoch: Epoch): Promise<ReaderLease | undefined> {
    const token = this.token();
    const result = await this.runForReader(scripts.lease, [this.stateKey, this.entryKey(id)], epoch, [
      token,
      READER_LEASE_MS,
      this.schemaVersion,
    ]);
    return result === "leased" ? { id, epoch, token } : undefined;
  }

  /**
   * Fills an id with what PostgreSQL returned to a query that started after the lease. Never throws.
   *
   * @param entry undefined ends the lease only.
   * @returns true when the entry is stored.
   */
  async fill(lease: ReaderLease, entry: CacheEntry | undefined): Promise<boolean> {
    const keys = [this.stateKey, this.entryKey(lease.id)];
    const args = [lease.token, this.ttlMs, this.text(entry, lease.epoch)];
    return (await this.runForReader(scripts.fill, keys, lease.epoch, args)) === "stored";
  }

  /** Fences ids before their changes are applied. @param token of {@link token}, for one attempt. Never throws. */
  async fence(epoch: Epoch, token: string, changes: readonly FencedVersion[]): Promise<CacheWriteResult> {
    return this.runForApplier(scripts.fence, epoch, [token], changes, (change) => [fenceOf(change, token)]);
  }

  /** Lifts the fences of changes that PostgreSQL has rejected, so they cannot be committed. Never throws. */
  async lift(epoch: Epoch, token: string, changes: readonly FencedVersion[]): Promise<CacheWriteResult> {
    return this.runForApplier(scripts.lift, epoch, [], changes, (change) => [fenceOf(change, token)]);
  }

  /**
   * Stores committed changes and lifts their fences. Never throws.
   *
   * @returns other than `ok`: fences may remain, so the caller has to switch the epoch off.
   */
  async store(epoch: Epoch, token: string, changes: readonly StoredVersion[]): Promise<CacheWriteResult> {
    return this.runForApplier(scripts.store, epoch, [this.ttlMs], changes, (change) => [
      fenceOf(change, token),
      this.text(change.entry, epoch),
    ]);
  }

  /** Installs an epoch on its server. To be called once, by the process that opened it. Never throws. */
  async install(epoch: number): Promise<CacheWriteResult> {
    const { redis, logger } = this.deps;
    if (!redis) return "unknown";
    try {
      return (await scripts.install(redis.writes.client, [this.stateKey], [epoch])) === "ok" ? "ok" : "moved";
    } catch (error) {
      logger.debug({ err: error, epoch }, "the epoch could not be installed in Redis");
      return "unknown";
    }
  }

  /** True while appliers have a connection to a server. */
  reachable(): boolean {
    return this.deps.redis?.writes.runId() !== undefined;
  }

  /**
   * Tests that the server accepts writes.
   *
   * @throws the server's error: it is a read-only copy, or its memory is full.
   */
  async probe(): Promise<void> {
    await this.deps.redis?.writes.client.set(`${this.prefix}.probe`, "1", "PX", 1_000);
  }

  /** A token that no other call returns, in any process. */
  token(): string {
    return `${this.processId}.${(this.tokens++).toString(36)}`;
  }

  private get stateKey(): string {
    return stateKey(this.prefix);
  }

  private entryKey(id: EntityId): string {
    return entryKey(this.prefix, id);
  }

  /** Empty when there is no entry, or it is too large. */
  private text(entry: CacheEntry | undefined, { epoch }: Epoch): string {
    const text = entry ? encodeEntry(entry, epoch, this.schemaVersion) : "";
    // A UTF-16 unit has at most three bytes in UTF-8.
    return text.length * 3 > MAX_ENTRY_BYTES && Buffer.byteLength(text) > MAX_ENTRY_BYTES ? "" : text;
  }

  /** @returns undefined when the script could not run: the read continues without the cache. */
  private async runForReader(
    script: scripts.Script,
    keys: readonly string[],
    epoch: Epoch,
    args: readonly (string | number)[],
  ): Promise<string | undefined> {
    const { redis } = this.deps;
    if (!redis || redis.reads.runId() !== epoch.runId) return undefined;
    try {
      const result = await script(redis.reads.client, keys, [epoch.epoch, ...args]);
      if (result === "lost" || result === "behind") this.onLost(epoch);
      return result;
    } catch {
      return undefined;
    }
  }

  /** Runs a script for {@link CHUNK} changes at a time. */
  private async runForApplier<T extends { readonly id: EntityId }>(
    script: scripts.Script,
    epoch: Epoch,
    commonArgs: readonly (string | number)[],
    changes: readonly T[],
    argsOf: (change: T) => readonly (string | number)[],
  ): Promise<CacheWriteResult> {
    const { redis, logger } = this.deps;
    if (!redis || redis.writes.runId() !== epoch.runId) return "unknown";
    const runs: Promise<string>[] = [];
    for (let start = 0; start < changes.length; start += CHUNK) {
      const chunk = changes.slice(start, start + CHUNK);
      const keys = [this.stateKey];
      const args = [epoch.epoch, ...commonArgs];
      for (const change of chunk) {
        keys.push(this.entryKey(change.id));
        args.push(...argsOf(change));
      }
      runs.push(script(redis.writes.client, keys, args));
    }
    const results = await Promise.allSettled(runs);
    const failed = results.find((result) => result.status === "rejected");
    if (failed) {
      logger.debug({ err: failed.reason, epoch: epoch.epoch }, "a cache script failed");
      return "unknown";
    }
    // A script may have been sent twice (NOSCRIPT): both times it must have been the same server.
    if (redis.writes.runId() !== epoch.runId) return "unknown";
    return results.every((result) => result.status === "fulfilled" && result.value === "ok") ? "ok" : "moved";
  }
}

/** The fence of one attempt and change. Built here, because Lua copies and interns each string that it builds. */
const fenceOf = ({ version }: FencedVersion, token: string): string => `${version}:${token}`;
