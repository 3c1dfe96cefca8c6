/** A replica's connections, a pool per use: many reads must not delay applies or the lease on the cache's epoch. */
import type { Logger } from "../observability/logger.ts";
import { connectPool } from "../platform/postgres/connect.ts";
import { Database } from "../platform/postgres/database.ts";
import { connectRedis, type RedisLink } from "../platform/redis/redis.ts";

/** A read that takes longer is answered 503. */
const READ_TIMEOUT_MS = 2_000;
/** Queued reads; more are answered 503 at once. */
const MAX_QUEUED_READS = 1_000;
/** Queued applies, and queued epoch queries. */
const MAX_QUEUED = 100;
/** Longest statement for a single row, and longest wait for a lock in it: 2 ms are usual. */
const SINGLE_ROW_TIMEOUT_MS = 2_000;
const SINGLE_ROW_LOCK_TIMEOUT_MS = 1_000;
/** Connections for the epoch, and the minimum for reads. */
const FEW = 2;
/** A live database reports the timeout of a statement within this time after it. */
const GRACE_MS = 2_000;
/** Redis timeout of a reader: after it the reader uses PostgreSQL. */
const REDIS_READ_TIMEOUT_MS = 250;
/** Redis timeout of an applier, longer because it switches the cache off for every process and delays the batch. */
const REDIS_WRITE_TIMEOUT_MS = 1_000;

/** The pools of one process. */
export interface Databases {
  readonly applies: Database;
  /** For rows that are applied alone, because their batch failed. It has no connection otherwise. */
  readonly singleRows: Database;
  readonly epoch: Database;
  readonly reads: Database;
  close(): Promise<void>;
}

/**
 * Creates the pools; they connect with their first query.
 *
 * @param settings.appliers number of concurrent applies, a connection each.
 * @param settings.connections total. At least `appliers` + 4 are opened: 2 for the epoch and 2 for reads. One more is
 * opened while rows are applied alone.
 */
export function connectDatabases(
  url: string,
  settings: { name: string; connections: number; statementTimeoutMs: number; appliers: number },
): Databases {
  const { name, connections, statementTimeoutMs, appliers } = settings;
  const silenceMs = statementTimeoutMs + GRACE_MS;
  const open = (use: string, max: number, limits: { deadlineMs: number; maxPending: number }) =>
    new Database(() => connectPool(url, { max, name: `lockstep-${name}-${use}`, statementTimeoutMs }), {
      silenceMs,
      ...limits,
    });
  const applies = open("applies", appliers, { deadlineMs: silenceMs, maxPending: MAX_QUEUED });
  const singleRows = openSingleRows(url, name, Math.min(statementTimeoutMs, SINGLE_ROW_TIMEOUT_MS));
  const epoch = open("epoch", FEW, { deadlineMs: READ_TIMEOUT_MS, maxPending: MAX_QUEUED });
  const reads = open("reads", Math.max(FEW, connections - appliers - FEW), {
    deadlineMs: READ_TIMEOUT_MS,
    maxPending: MAX_QUEUED_READS,
  });
  return {
    applies,
    singleRows,
    epoch,
    reads,
    async close() {
      await Promise.all([applies, singleRows, epoch, reads].map((database) => database.close()));
    },
  };
}

function openSingleRows(url: string, replica: string, statementTimeoutMs: number): Database {
  const silenceMs = statementTimeoutMs + GRACE_MS;
  const options = {
    max: 1,
    name: `lockstep-${replica}-single-rows`,
    statementTimeoutMs,
    session: { lock_timeout: String(Math.min(statementTimeoutMs / 2, SINGLE_ROW_LOCK_TIMEOUT_MS)) },
  };
  const limits = { silenceMs, deadlineMs: silenceMs, maxPending: MAX_QUEUED };
  return new Database(() => connectPool(url, options), limits);
}

/** Two connections to Redis, because readers and appliers have different timeouts. */
export interface RedisLinks {
  readonly reads: RedisLink;
  readonly writes: RedisLink;
  close(): void;
}

/** Opens both connections in the background; they reconnect on their own. */
export function connectRedisLinks(url: string, replica: string, logger: Logger): RedisLinks {
  const name = `lockstep-${replica}`;
  const reads = connectRedis(url, { name: `${name}-reads`, silenceMs: REDIS_READ_TIMEOUT_MS, logger });
  const writes = connectRedis(url, { name: `${name}-writes`, silenceMs: REDIS_WRITE_TIMEOUT_MS, logger });
  return {
    reads,
    writes,
    close() {
      reads.close();
      writes.close();
    },
  };
}
