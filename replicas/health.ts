/** When a replica is ready: its database answers and a broker does. Without Redis it still is; reads then come from PostgreSQL. */
import type { Consumer } from "../kafka/log.ts";
import type { Check } from "../platform/service.ts";
import type { CacheEpoch } from "./cache/epoch.ts";
import type { RedisLinks } from "./connections.ts";

/** Not ready after so long without an answer, in milliseconds. */
const STALE_MS = 10_000;

export interface Health {
  readonly checks: readonly Check[];
  /** To be told how each regular question to the database went. */
  databaseAnswered(error: unknown): void;
}

export function healthChecks(deps: {
  readonly follower: () => Consumer | undefined;
  /** Why a table takes nothing; undefined while it does. */
  readonly tableProblem: () => string | undefined;
  readonly epoch: CacheEpoch;
  readonly redis: RedisLinks | undefined;
}): Health {
  let answeredAt: number | undefined;
  let last: unknown;
  return {
    checks: [
      {
        name: "database",
        problem: () => {
          const age = answeredAt === undefined ? undefined : performance.now() - answeredAt;
          const why = silence("the database has", age);
          return why && last !== undefined ? `${why} (${last instanceof Error ? last.message : String(last)})` : why;
        },
      },
      { name: "log", problem: () => silence("a broker has", deps.follower()?.fetchAgeMs()) },
      { name: "table", problem: deps.tableProblem },
      { name: "cache", problem: () => undefined, note: () => cacheNote(deps) },
    ],
    databaseAnswered(error) {
      last = error;
      if (error === undefined) answeredAt = performance.now();
    },
  };
}

function silence(who: string, ageMs: number | undefined): string | undefined {
  if (ageMs === undefined) return `${who} not answered yet`;
  return ageMs > STALE_MS ? `${who} not answered for ${Math.round(ageMs)} ms` : undefined;
}

function cacheNote({ epoch, redis }: { epoch: CacheEpoch; redis: RedisLinks | undefined }): string {
  if (!redis) return "not configured: every read comes from PostgreSQL";
  if (!redis.reads.runId() || !redis.writes.runId()) return "Redis is away: every read comes from PostgreSQL";
  const seen = epoch.lease();
  if (seen?.runId == null) return "off for a moment: every read comes from PostgreSQL";
  return "on";
}
