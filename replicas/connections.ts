/** A replica's connections, each use with its own: a flood of reads must hold up neither the applies nor the cache's leases. */
import type { Logger } from "../observability/logger.ts";
import { connectPool } from "../platform/postgres/connect.ts";
import { Database } from "../platform/postgres/database.ts";
import { connectRedis, type RedisLink } from "../platform/redis/redis.ts";

/** A read that waits longer is answered 503. */
const READ_MS = 2_000;
/** Reads that may wait; more are answered 503 at once. */
const MOST_READS = 1_000;
/** A living database says something about a statement this long after its time was up. */
const GRACE_MS = 2_000;
/** A reader's patience with a silent Redis: giving up costs it a read of PostgreSQL. */
const REDIS_READ_MS = 250;
/** An applier's: giving up costs everybody the cache for a while, and the flow a pause. */
const REDIS_WRITE_MS = 1_000;

export interface Databases {
  readonly applies: Database;
  readonly epoch: Database;
  readonly reads: Database;
  close(): Promise<void>;
}

/** @param settings.appliers how many apply at the same time. With two more for the epoch and two for reads they are opened whatever `connections` says. */
export function connectDatabases(
  url: string,
  settings: { name: string; connections: number; statementTimeoutMs: number; appliers: number },
): Databases {
  const { name, connections, statementTimeoutMs, appliers } = settings;
  const silenceMs = statementTimeoutMs + GRACE_MS;
  const open = (use: string, max: number, bounds: { deadlineMs: number; maxPending: number }) =>
    new Database(() => connectPool(url, { max, name: `lockstep-${name}-${use}`, statementTimeoutMs }), {
      silenceMs,
      ...bounds,
    });
  const applies = open("applies", appliers, { deadlineMs: silenceMs, maxPending: 100 });
  const epoch = open("epoch", 2, { deadlineMs: READ_MS, maxPending: 100 });
  const others = appliers + 2;
  const reads = open("reads", Math.max(2, connections - others), {
    deadlineMs: READ_MS,
    maxPending: MOST_READS,
  });
  return {
    applies,
    epoch,
    reads,
    async close() {
      await Promise.all([applies.close(), epoch.close(), reads.close()]);
    },
  };
}

/** Two connections, so that a Redis that is slow once makes a reader give up, and not an applier. */
export interface RedisLinks {
  readonly reads: RedisLink;
  readonly writes: RedisLink;
  close(): void;
}

export function connectRedisLinks(url: string, replica: string, logger: Logger): RedisLinks {
  const name = `lockstep-${replica}`;
  const reads = connectRedis(url, { name: `${name}-reads`, silenceMs: REDIS_READ_MS, logger });
  const writes = connectRedis(url, { name: `${name}-writes`, silenceMs: REDIS_WRITE_MS, logger });
  return {
    reads,
    writes,
    close() {
      reads.close();
      writes.close();
    },
  };
}
