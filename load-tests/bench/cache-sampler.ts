/**
 * Watches a sample of writes arrive in Redis, from outside: asks for the keys until the version is there. What it says is
 * late by up to one round of asking ({@link ROUND_MS} and the answer's time), and never early.
 */
import { Redis } from "ioredis";
import type { Sample } from "./generator.ts";
import { nowMs } from "./generator.ts";

/** How often the keys of all writes that have not arrived are asked for. */
const ROUND_MS = 2;
/** A write that is not there by then is reported as missing. */
const GIVE_UP_MS = 30_000;

/** A write that was seen in a replica's Redis. */
export interface CacheSample {
  readonly id: string;
  readonly version: number;
  readonly replica: string;
  /** Milliseconds since 1970. */
  readonly atMs: number;
}

interface WantedVersion extends Omit<CacheSample, "atMs"> {
  readonly key: string;
  readonly askedSinceMs: number;
}

/** Version of a cached document: the second word (replicas/cache/entry.ts); undefined for a lease or nothing. */
export function cachedVersion(raw: string | null): number | undefined {
  const version = Number(/^\d+ (\d+) \d+ \{/.exec(raw ?? "")?.[1]);
  return Number.isNaN(version) ? undefined : version;
}

export class CacheSampler {
  readonly seen: CacheSample[] = [];
  missing = 0;
  private readonly redis: Redis;
  private wanted: WantedVersion[] = [];
  private asking: Promise<void> | undefined;

  constructor(
    redisUrl: string,
    private readonly plural: string,
  ) {
    this.redis = new Redis(redisUrl, { maxRetriesPerRequest: 1 });
    // Without a listener ioredis prints each failed connection; what matters is that a request fails.
    this.redis.on("error", () => {});
  }

  watch({ id, version, replicas }: Sample): void {
    for (const replica of replicas) {
      const key = `lockstep:{${replica}.${this.plural}}:${id}`;
      this.wanted.push({ id, version, replica, key, askedSinceMs: nowMs() });
    }
    this.asking ??= this.ask().finally(() => {
      this.asking = undefined;
    });
  }

  /** Resolves when every watched write was seen or given up. */
  async settled(): Promise<void> {
    await this.asking;
  }

  async close(): Promise<void> {
    this.wanted = [];
    await this.asking;
    this.redis.disconnect();
  }

  private async ask(): Promise<void> {
    while (this.wanted.length > 0) {
      const round = this.wanted;
      // One command for each key: the replicas' keys lie in different slots of a cluster. No answer counts as not there yet.
      const answers = await Promise.all(round.map(({ key }) => this.redis.get(key).catch(() => null)));
      const atMs = nowMs();
      const still = new Set<WantedVersion>();
      for (const [i, one] of round.entries()) {
        if ((cachedVersion(answers[i] ?? null) ?? 0) >= one.version) this.seen.push({ ...one, atMs });
        else if (atMs - one.askedSinceMs > GIVE_UP_MS) this.missing++;
        else still.add(one);
      }
      this.wanted = this.wanted.filter((one) => still.has(one) || !round.includes(one));
      await Bun.sleep(ROUND_MS);
    }
  }
}
