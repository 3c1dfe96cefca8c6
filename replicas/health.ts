/** When a replica is ready: database and broker respond, tables accept rows, positions are valid. Redis is optional. */
import { type CacheHealth, cacheNotes } from "../contracts/cache-health.ts";
import type { Check } from "../platform/service.ts";
import type { CacheEpoch } from "./cache/epoch.ts";
import type { RedisLinks } from "./connections.ts";
import type { ReplicaConsumer } from "./replica-consumer.ts";

/** The replica is not ready after this time without a response, in milliseconds. */
const STALE_MS = 10_000;

/** The checks of one replica. */
export interface Health {
  readonly checks: readonly Check[];
  /** Called with the result of each heartbeat query to the database; undefined: it responded. */
  readonly onHeartbeat: (error: unknown) => void;
}

/** Creates the replica's checks for `/health/ready`. */
export function healthChecks(deps: {
  readonly consumer: Pick<ReplicaConsumer, "fetchAgeMs" | "tableProblem" | "rebuildProblem" | "logProblem">;
  readonly epoch: CacheEpoch;
  readonly redis: RedisLinks | undefined;
}): Health {
  const { consumer } = deps;
  let respondedAt: number | undefined;
  let lastError: unknown;
  const databaseProblem = (): string | undefined => {
    const ageMs = respondedAt === undefined ? undefined : performance.now() - respondedAt;
    const problem = silenceProblem("the database has", ageMs);
    if (problem === undefined || lastError === undefined) return problem;
    return `${problem} (${lastError instanceof Error ? lastError.message : String(lastError)})`;
  };
  return {
    checks: [
      { condition: "database-unavailable", blocksReadiness: true, problem: databaseProblem },
      {
        condition: "log-unavailable",
        blocksReadiness: true,
        problem: () => silenceProblem("the brokers have", consumer.fetchAgeMs()),
      },
      { condition: "table-rejects", blocksReadiness: true, problem: () => consumer.tableProblem() },
      {
        condition: "cache-off",
        blocksReadiness: false,
        problem: () => cacheProblem(cacheHealth(deps)),
        note: () => cacheNotes[cacheHealth(deps)],
      },
      { condition: "rebuilding", blocksReadiness: false, problem: () => consumer.rebuildProblem() },
      { condition: "log-incomplete", blocksReadiness: false, problem: () => consumer.logProblem() },
    ],
    onHeartbeat(error) {
      lastError = error;
      if (error === undefined) respondedAt = performance.now();
    },
  };
}

function silenceProblem(who: string, ageMs: number | undefined): string | undefined {
  if (ageMs === undefined) return `${who} not responded yet`;
  return ageMs > STALE_MS ? `${who} not responded for ${Math.round(ageMs)} ms` : undefined;
}

/** A cache that is not configured is no problem. */
const cacheProblem = (health: CacheHealth): string | undefined =>
  health === "off" || health === "unavailable" ? cacheNotes[health] : undefined;

function cacheHealth({ epoch, redis }: { epoch: CacheEpoch; redis: RedisLinks | undefined }): CacheHealth {
  if (!redis) return "not-configured";
  if (!redis.reads.runId() || !redis.writes.runId()) return "unavailable";
  return epoch.lease()?.runId == null ? "off" : "on";
}
