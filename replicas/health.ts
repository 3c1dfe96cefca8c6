/**
 * The conditions of a replica. A replica is ready while its database responds, once a broker has responded: it then
 * serves what it has, and says in each response how old that may be. Redis is optional.
 */
import { type CacheHealth, cacheNotes } from "../contracts/cache-health.ts";
import type { ConditionName } from "../contracts/conditions.ts";
import type { Check } from "../platform/service.ts";
import type { RedisLinks } from "./connections.ts";
import type { Replica } from "./replica.ts";
import type { ReplicaConsumer } from "./replica-consumer.ts";

/** After this time without a response, in milliseconds, a server counts as unavailable. */
const STALE_MS = 10_000;

/** The checks of one replica. */
export interface Health {
  readonly checks: readonly Check[];
  /** Called with the result of each heartbeat query to the database; undefined: it responded. */
  readonly onHeartbeat: (error: unknown) => void;
}

/** Collaborators of {@link healthChecks}. */
interface HealthDeps {
  readonly consumer: Pick<
    ReplicaConsumer,
    | "fetchAgeMs"
    | "tableProblem"
    | "rebuildProblem"
    | "logProblem"
    | "stalledProblem"
    | "lagProblem"
    | "deadLettersProblem"
    | "deadLettersNote"
  >;
  readonly replica: Pick<Replica, "epoch" | "redis" | "readOnlyProblem" | "tableProblem">;
}

/** Creates the replica's checks for `/health/ready`. */
export function healthChecks(deps: HealthDeps): Health {
  const { consumer, replica } = deps;
  const database = new Heartbeat("the database has");
  const reports = (condition: ConditionName, problem: Check["problem"], note?: Check["note"]): Check => ({
    condition,
    blocksReadiness: false,
    problem,
    ...(note ? { note } : {}),
  });
  const fetchAgeMs = () => consumer.fetchAgeMs();
  const startProblem = () =>
    fetchAgeMs() === undefined && !consumer.rebuildProblem() ? "the brokers have not responded yet" : undefined;
  return {
    checks: [
      { condition: "database-unavailable", blocksReadiness: true, problem: () => database.problem() },
      // Before the first response, the replica does not know how far it is behind.
      { condition: "log-unavailable", blocksReadiness: true, problem: startProblem },
      reports("log-unavailable", () => silenceProblem("the brokers have", fetchAgeMs() ?? 0)),
      reports("database-read-only", () => replica.readOnlyProblem()),
      reports("table-rejects", () => consumer.tableProblem() ?? replica.tableProblem()),
      reports(
        "cache-off",
        () => cacheProblem(cacheHealth(replica)),
        () => cacheNotes[cacheHealth(replica)],
      ),
      reports("rebuilding", () => consumer.rebuildProblem()),
      reports("log-incomplete", () => consumer.logProblem()),
      reports("partition-stalled", () => consumer.stalledProblem()),
      reports("lag-growing", () => consumer.lagProblem()),
      reports(
        "dead-letters-open",
        () => consumer.deadLettersProblem(),
        () => consumer.deadLettersNote(),
      ),
    ],
    onHeartbeat: (error) => database.record(error),
  };
}

/** The result of the last heartbeat queries. */
class Heartbeat {
  private respondedAt: number | undefined;
  private lastError: unknown;

  constructor(private readonly who: string) {}

  record(error: unknown): void {
    this.lastError = error;
    if (error === undefined) this.respondedAt = performance.now();
  }

  problem(): string | undefined {
    const { respondedAt, lastError } = this;
    const problem = silenceProblem(this.who, respondedAt === undefined ? undefined : performance.now() - respondedAt);
    if (problem === undefined || lastError === undefined) return problem;
    return `${problem} (${lastError instanceof Error ? lastError.message : String(lastError)})`;
  }
}

function silenceProblem(who: string, ageMs: number | undefined): string | undefined {
  if (ageMs === undefined) return `${who} not responded yet`;
  return ageMs > STALE_MS ? `${who} not responded for ${Math.round(ageMs / 1_000)} s` : undefined;
}

/** A cache that is not configured is no problem. */
const cacheProblem = (health: CacheHealth): string | undefined =>
  health === "off" || health === "unavailable" ? cacheNotes[health] : undefined;

function cacheHealth({ epoch, redis }: { epoch: Replica["epoch"]; redis: RedisLinks | undefined }): CacheHealth {
  if (!redis) return "not-configured";
  if (!redis.reads.runId() || !redis.writes.runId()) return "unavailable";
  return epoch.recent()?.runId == null ? "off" : "on";
}
