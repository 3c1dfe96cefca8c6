/**
 * One entity's documents in Redis. README.md has the protocol and why it holds; in short:
 *
 * An id is, within an epoch, in one of four states:
 * - absent: readers miss. A reader may lease it.
 * - leased: a reader is reading PostgreSQL and may fill it. A fence ends the lease.
 * - fenced: one or more applies are under way. Readers miss, nobody may lease. Each applier lifts its own fence once it knows what is
 *   committed, and with a commit those that have nothing newer to say.
 * - stored: has a version that is committed, and no newer one can be committed without a fence before.
 *
 * Whatever Redis forgets leads to absent, or to a state without an epoch in which every script refuses.
 */

import { type CacheEntry, cachePrefix, decodeEntry, encodeEntry } from "../../contracts/cache-entry.ts";
import type { EntityId, Version } from "../../contracts/entity/document.ts";
import type { Logger } from "../../observability/logger.ts";
import type { RedisLink } from "../../platform/redis/redis.ts";
import type { CacheEpoch, Epoch } from "./epoch.ts";
import * as scripts from "./scripts.ts";

/** A reader that dies between lease and fill holds nobody up for longer. */
const LEASE_LIFE_MS = 10_000;
/** Larger documents are read from PostgreSQL each time, rather than push many small ones out. */
const MAX_ENTRY_BYTES = 262_144;
/** Ids per script: Redis does nothing else meanwhile (well below a millisecond), and more at a time cost it no less. */
const CHUNK = 100;

/** Why a read does not use the cache. */
export type Bypass = "not-configured" | "away" | "off" | "no-lease" | "failed";

export type CacheLookup =
  | { readonly at: "hit"; readonly entry: CacheEntry }
  | { readonly at: "miss"; readonly epoch: Epoch }
  | { readonly at: "bypass"; readonly why: Bypass };

/** The right to fill one id with what PostgreSQL answers from now on. */
export interface Lease {
  readonly id: EntityId;
  readonly epoch: Epoch;
  readonly token: string;
}

/** `moved`: this epoch is not, or no more, the one that the server has. `away`: not known whether the script ran. */
export type CacheWriteResult = "ok" | "moved" | "away";

interface Fenced {
  readonly id: EntityId;
  readonly version: Version;
}

export interface Stored extends Fenced {
  /** Undefined: PostgreSQL has something newer; only lifts the fence. */
  readonly entry: CacheEntry | undefined;
}

export class Cache {
  private tokens = 0;
  private readonly nonce = crypto.randomUUID();
  private readonly prefix: string;
  private readonly schemaVersion: number;
  private readonly ttlMs: number;

  constructor(
    private readonly deps: {
      /** Undefined: not configured. */
      readonly redis: { readonly reads: RedisLink; readonly writes: RedisLink } | undefined;
      readonly epoch: Pick<CacheEpoch, "lease" | "holds">;
      readonly logger: Logger;
    },
    settings: {
      readonly replica: string;
      readonly collection: string;
      readonly schemaVersion: number;
      readonly ttlSeconds: number;
    },
    /** Told when a reader found that the server does not have the epoch. */
    private readonly onMoved: (epoch: Epoch) => void = () => {},
  ) {
    this.prefix = cachePrefix(settings.replica, settings.collection);
    this.schemaVersion = settings.schemaVersion;
    this.ttlMs = settings.ttlSeconds * 1_000;
  }

  /** Looks an id up. An entry that is found is not older than what PostgreSQL had committed when this was called. Never throws. */
  async lookup(id: EntityId): Promise<CacheLookup> {
    const { redis, epoch: epochs } = this.deps;
    if (!redis) return { at: "bypass", why: "not-configured" };
    const epoch = epochs.lease();
    if (!epoch) return { at: "bypass", why: "no-lease" };
    if (epoch.runId === null) return { at: "bypass", why: "off" };
    if (epoch.runId !== redis.reads.runId()) return { at: "bypass", why: "away" };
    try {
      const raw = await redis.reads.client.get(this.entryKey(id));
      const entry = decodeEntry(raw, epoch.epoch, this.schemaVersion);
      // The answer may have taken longer than the lease lasted.
      if (!epochs.holds(epoch)) return { at: "bypass", why: "no-lease" };
      return entry ? { at: "hit", entry } : { at: "miss", epoch };
    } catch {
      return { at: "bypass", why: "failed" };
    }
  }

  /** Asks to fill an id: before PostgreSQL is read. Undefined: read, but do not fill. Never throws. */
  async lease(id: EntityId, epoch: Epoch): Promise<Lease | undefined> {
    const token = this.token();
    const answer = await this.readerScript(scripts.lease, [this.stateKey, this.entryKey(id)], epoch, [
      token,
      LEASE_LIFE_MS,
      this.schemaVersion,
    ]);
    return answer === "leased" ? { id, epoch, token } : undefined;
  }

  /** Fills with what PostgreSQL answered to a read that began after the lease; nothing gives the lease back. @returns whether it is stored. */
  async fill(lease: Lease, entry: CacheEntry | undefined): Promise<boolean> {
    const keys = [this.stateKey, this.entryKey(lease.id)];
    const args = [lease.token, this.ttlMs, this.text(entry, lease.epoch)];
    return (await this.readerScript(scripts.fill, keys, lease.epoch, args)) === "stored";
  }

  /** Fences ids before their changes are applied. A token is for one attempt. */
  async fence(epoch: Epoch, token: string, changes: readonly Fenced[]): Promise<CacheWriteResult> {
    return this.applierScript(scripts.fence, epoch, [token], changes, (change) => [fenceOf(change, token)]);
  }

  /** Lifts fences whose changes PostgreSQL has refused for good: nothing of the attempt can be committed any more. As for {@link store}. */
  async lift(epoch: Epoch, token: string, changes: readonly Fenced[]): Promise<CacheWriteResult> {
    return this.applierScript(scripts.lift, epoch, [], changes, (change) => [fenceOf(change, token)]);
  }

  /** Stores what is committed and lifts the fences. Without an "ok", fences may stay: the epoch must be given up. */
  async store(epoch: Epoch, token: string, stored: readonly Stored[]): Promise<CacheWriteResult> {
    return this.applierScript(scripts.store, epoch, [this.ttlMs], stored, (change) => [
      fenceOf(change, token),
      this.text(change.entry, epoch),
    ]);
  }

  /** Empty where there is nothing to keep, or too much. */
  private text(entry: CacheEntry | undefined, { epoch }: Epoch): string {
    const text = entry ? encodeEntry(entry, epoch, this.schemaVersion) : "";
    return Buffer.byteLength(text) > MAX_ENTRY_BYTES ? "" : text;
  }

  /** Brings an epoch to its server. Only for who opened it, once. */
  async install(epoch: number): Promise<CacheWriteResult> {
    const { redis, logger } = this.deps;
    if (!redis) return "away";
    try {
      return (await scripts.install(redis.writes.client, [this.stateKey], [epoch])) === "ok" ? "ok" : "moved";
    } catch (error) {
      logger.debug({ err: error }, "the epoch was not installed");
      return "away";
    }
  }

  /** Whether appliers have a server. */
  reachable(): boolean {
    return this.deps.redis?.writes.runId() !== undefined;
  }

  /** @throws when the server does not take a write: a copy, or one whose memory is full. */
  async probe(): Promise<void> {
    await this.deps.redis?.writes.client.set(`${this.prefix}:probe`, "1", "PX", 1_000);
  }

  /** Unlike any other, also of other processes. */
  token(): string {
    return `${this.nonce}.${(this.tokens++).toString(36)}`;
  }

  private get stateKey(): string {
    return `${this.prefix}:state`;
  }

  private entryKey(id: EntityId): string {
    return `${this.prefix}:${id}`;
  }

  private async readerScript(
    script: scripts.Script,
    keys: readonly string[],
    epoch: Epoch,
    args: readonly (string | number)[],
  ): Promise<string | undefined> {
    const { redis } = this.deps;
    if (!redis || redis.reads.runId() !== epoch.runId) return undefined;
    try {
      const answer = await script(redis.reads.client, keys, [epoch.epoch, ...args]);
      if (answer === "lost" || answer === "behind") this.onMoved(epoch);
      return answer;
    } catch {
      return undefined; // the read goes on without the cache
    }
  }

  private async applierScript<T extends { readonly id: EntityId }>(
    script: scripts.Script,
    epoch: Epoch,
    first: readonly (string | number)[],
    items: readonly T[],
    argsOf: (item: T) => readonly (string | number)[],
  ): Promise<CacheWriteResult> {
    const { redis, logger } = this.deps;
    if (!redis || redis.writes.runId() !== epoch.runId) return "away";
    const calls: Promise<string>[] = [];
    for (let i = 0; i < items.length; i += CHUNK) {
      const chunk = items.slice(i, i + CHUNK);
      const keys = [this.stateKey, ...chunk.map(({ id }) => this.entryKey(id))];
      calls.push(script(redis.writes.client, keys, [epoch.epoch, ...first, ...chunk.flatMap(argsOf)]));
    }
    const answers = await Promise.allSettled(calls);
    const failed = answers.find((answer) => answer.status === "rejected");
    if (failed) {
      logger.debug({ err: failed.reason }, "a cache script failed");
      return "away";
    }
    // A script may have been sent again to a server that did not know it: it must have been the same server.
    if (redis.writes.runId() !== epoch.runId) return "away";
    return answers.every((answer) => answer.status === "fulfilled" && answer.value === "ok") ? "ok" : "moved";
  }
}

/** The fence that an attempt sets for a change. Made here: Lua makes and keeps each text twice. */
const fenceOf = ({ version }: Fenced, token: string): string => `${version}:${token}`;
