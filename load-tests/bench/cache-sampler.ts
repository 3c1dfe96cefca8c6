/**
 * Measures when a sample of writes arrives in Redis, by polling their keys until they have the version. A measured time
 * is late by up to one poll ({@link POLL_MS} plus Redis' response time), and never early.
 */
import { Redis } from "ioredis";
import { cachePrefix, entryKey } from "../../contracts/cache-entry.ts";
import type { EntityDeclaration } from "../../contracts/entity/declaration.ts";
import { sleep } from "../../platform/async/sleep.ts";
import type { Sample } from "./generator.ts";
import { nowMs } from "./generator.ts";

/** Time between two polls of the pending keys, in milliseconds. */
const POLL_MS = 2;
/** A write that has not arrived after this time, in milliseconds, is counted as missing. */
const TIMEOUT_MS = 30_000;

/** The arrival of a write in a replica's cache. */
export interface CacheSample {
  readonly id: string;
  readonly version: number;
  readonly replica: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

interface PendingVersion extends Omit<CacheSample, "atMs"> {
  readonly key: string;
  readonly addedAtMs: number;
}

/** Version of a cached document: its second word (replicas/cache/entry.ts). Undefined for a lease or a missing key. */
function cachedVersion(raw: string | null): number | undefined {
  const version = Number(/^\d+ (\d+) \d+ \{/.exec(raw ?? "")?.[1]);
  return Number.isNaN(version) ? undefined : version;
}

/** Polls the caches for one phase. */
export class CacheSampler {
  /** Writes that have arrived. */
  readonly samples: CacheSample[] = [];
  /** Number of writes that did not arrive in time. */
  missing = 0;
  private readonly redis: Redis;
  private pending: PendingVersion[] = [];
  private polling: Promise<void> | undefined;

  constructor(
    redisUrl: string,
    private readonly entity: EntityDeclaration,
  ) {
    this.redis = new Redis(redisUrl, { maxRetriesPerRequest: 1 });
    // Without a listener ioredis prints each failed connection. A failed request is handled where it is made.
    this.redis.on("error", () => {});
  }

  /** Starts to poll for a write. */
  add({ id, version, replicas }: Sample): void {
    for (const replica of replicas) {
      const key = entryKey(cachePrefix(replica, this.entity), id);
      this.pending.push({ id, version, replica, key, addedAtMs: nowMs() });
    }
    this.polling ??= this.poll().finally(() => {
      this.polling = undefined;
    });
  }

  /** Resolves when every write has arrived or is counted as missing. */
  async waitUntilSettled(): Promise<void> {
    await this.polling;
  }

  /** Stops polling and disconnects. */
  async close(): Promise<void> {
    this.pending = [];
    await this.polling;
    this.redis.disconnect();
  }

  private async poll(): Promise<void> {
    while (this.pending.length > 0) {
      const polled = this.pending;
      // One command per key: the keys of different replicas are in different slots of a cluster. A failed command is
      // repeated.
      const values = await Promise.all(polled.map(({ key }) => this.redis.get(key).catch(() => null)));
      const atMs = nowMs();
      const stillPending = new Set<PendingVersion>();
      for (const [i, write] of polled.entries()) {
        if ((cachedVersion(values[i] ?? null) ?? 0) >= write.version) this.samples.push({ ...write, atMs });
        else if (atMs - write.addedAtMs > TIMEOUT_MS) this.missing++;
        else stillPending.add(write);
      }
      this.pending = this.pending.filter((write) => stillPending.has(write) || !polled.includes(write));
      await sleep(POLL_MS);
    }
  }
}
